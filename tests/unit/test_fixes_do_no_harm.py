"""Every fix that could destroy something, if somebody follows it in a hurry, is listed here with why it does no harm.

A fix is read by people for whom something has just gone wrong. It must not cost them a key, a secret or a proof. So no
fix says to remove, replace or make something without saying what that costs, or what it cannot cost. And a fix names a
page of the docs by its address: who installed a package has no docs/.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from monoskope.errors import DOCS

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "monoskope"
LIST = Path(__file__).with_name("fixes_that_could_harm.txt")
_HARMS = re.compile(
    r"(?i)\b(remove|delete|erase|destroy|overwrite|disable|ignore|chmod|chown|init|reset|uninstall|unpin|rm|wipe|discard)\b"
    r"|--(replace|force|overwrite|destroy|yes|insecure|allow-swap)\b"
)
_NAMED = re.compile(r"(?i)(^|_)(fix|missing|advice|lost|suffix)($|_)")


def test_every_fix_that_could_harm_is_listed_with_why_it_does_not() -> None:
    listed = dict(line.split(" | ", 1) for line in LIST.read_text(encoding="utf-8").splitlines())
    found = set(fixes())
    assert sorted(found - listed.keys()) == [], f"say in {LIST.name} why this does no harm, or mend it"
    assert sorted(listed.keys() - found) == [], "this is no fix any more"
    assert all(why.strip() for why in listed.values())


def test_the_search_finds_advice_in_all_its_forms() -> None:
    source = """
raise UsageError("x", fix="Remove it first.")
read_private(path, missing=f"Run: rm {path}")
_FIX = ("one " "delete it")
error.fix = "Erase that." if bad else "Fine."
raise UsageError("delete", fix="Keep it.")
Meaning(Error, "deleted", "Overwrite it.")
"""
    assert set(harmful(ast.parse(source))) == {
        "Remove it first.",
        "Run: rm …",
        "one delete it",
        "Erase that.",
        "Overwrite it.",
    }


@cache
def package() -> dict[Path, str]:
    """The files of the package, read once."""
    files = (file for file in sorted(PACKAGE.rglob("*.py")) if PACKAGE / "api" not in file.parents)
    return {file: file.read_text(encoding="utf-8") for file in files}


def fixes() -> Iterator[str]:
    for text in package().values():
        if _HARMS.search(text):  # else there is nothing to take apart
            yield from harmful(ast.parse(text))


def harmful(tree: ast.AST) -> Iterator[str]:
    """Every text of a fix in `tree` that has one of the words, with `…` for what is filled in."""
    for node in ast.walk(tree):
        match node:
            case ast.keyword(arg=str(name), value=value) if _NAMED.search(name):
                yield from _with_harm(value)
            case ast.Assign(targets=[ast.Name(id=name) | ast.Attribute(attr=name)], value=value) if _NAMED.search(name):
                yield from _with_harm(value)
            case ast.Call(func=ast.Name(id="Meaning"), args=[_, _, value]):
                yield from _with_harm(value)
            case _:
                continue


def _with_harm(value: ast.expr) -> Iterator[str]:
    for text in _texts(value):
        if _HARMS.search(text):
            yield text


def _texts(value: ast.AST) -> Iterator[str]:
    match value:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in parts)  # type: ignore[misc]
        case _:
            for child in ast.iter_child_nodes(value):
                yield from _texts(child)


_PAGE = re.compile(r"docs_page\(['\"]([^'\"#]+)")


def sources() -> Iterator[Path]:
    return (file for file in package() if "testing" not in file.relative_to(PACKAGE).parts)


def texts(source: str) -> Iterator[str]:
    """Every text in a source that is no docstring."""
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_no_sentence_names_a_file_that_only_the_repository_has() -> None:
    page = re.compile(r"(?<!/)docs/[a-z]")
    naming = {file: package()[file] for file in sources() if page.search(package()[file])}
    assert [(file.name, text) for file, source in naming.items() for text in texts(source) if page.search(text)] == []


def test_every_page_that_a_sentence_names_is_there() -> None:
    named = {page for file in sources() for page in _PAGE.findall(package()[file])}
    assert len(named) > 10
    assert [page for page in sorted(named) if not (PACKAGE.parents[1] / "docs" / page).exists()] == []
    assert DOCS.endswith("/docs")

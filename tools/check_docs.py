"""Check that the documentation tells the truth about the repository; 1 and a list if it does not.

- every relative link, and its anchor, resolves;
- every `make` target that is named exists;
- every command line of `monoctl` and `m8` has commands and options that exist, also in errors and helps of the code;
- every row of the threat model and of docs/breakage.md names a test, and every test that a page names exists;
- every decision record is listed in docs/adr/README.md;
- every figure that comes from somewhere else is the one that stands there (tools/doc_figures.py);
- every word of the glossary is used; no page, and no error or help text of the code, uses a word that it refuses.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from tools import cli_reference, doc_commands, doc_figures  # noqa: E402 - found only now when run as a program

SKIPPED_FOLDERS = {"build", "dist", "node_modules"}
THREAT_MODEL = Path("docs/security/threat-model.md")
BREAKAGE = Path("docs/breakage.md")
DECISIONS = Path("docs/adr")
GLOSSARY = Path("docs/concepts.md")
KEPT_AS_WRITTEN = (Path("docs/adr"), Path("docs/reference"), Path("CHANGELOG.md"))
"""Pages that may use words that the glossary refuses: history, and what is made from the code."""

USER_TEXTS = {"fix", "help", "short_help", "epilog"}
"""Arguments that users read, whatever is called with them."""

_FENCE = re.compile(r"^(?P<fence>```|~~~).*?^(?P=fence)[ \t]*$", re.MULTILINE | re.DOTALL)
_INLINE_CODE = re.compile(r"`[^`\n]+`")
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)(?:\s+\"[^\"]*\")?\)")
_HEADING = re.compile(r"^#{1,6}\s+(?P<text>.+?)\s*#*$", re.MULTILINE)
_MAKE = re.compile(r"(?:^|[`$;&|(]\s*)make (?P<target>[a-z][a-z-]*)", re.MULTILINE)
_MAKE_RULE = re.compile(r"^(?P<target>[a-z][a-z-]*):(?!=)", re.MULTILINE)
_TEST_ID = re.compile(r"(?P<file>tests/[\w./-]+\.py)::(?P<name>\w+(?:::\w+)?)")
_TABLE_RULE = re.compile(r"^\|[\s:|-]+\|$")


def pages(root: Path) -> list[Path]:
    """Every Markdown file of the repository, hidden and made folders left out, but .github kept."""
    found = []
    for path in root.rglob("*.md"):
        folders = path.relative_to(root).parts[:-1]
        hidden = any(part.startswith(".") and part != ".github" for part in folders)
        if not hidden and not SKIPPED_FOLDERS.intersection(folders):
            found.append(path)
    return sorted(found)


def _without_code(text: str) -> str:
    return _INLINE_CODE.sub("", _FENCE.sub("", text))


def anchors(text: str) -> set[str]:
    """The anchors that a page's headings get on a forge: lower case, punctuation gone, spaces as hyphens."""
    found: set[str] = set()
    for heading in _HEADING.finditer(_FENCE.sub("", text)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading["text"]).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        count = 1
        unique = slug
        while unique in found:
            unique = f"{slug}-{count}"
            count += 1
        found.add(unique)
    return found


def broken_links(root: Path) -> Iterator[str]:
    """Complaints about relative links to nothing."""
    for page in pages(root):
        for link in _LINK.finditer(_without_code(page.read_text(encoding="utf-8"))):
            target = link["target"]
            if re.match(r"[a-z][a-z+.-]*:", target):
                continue
            name, _, anchor = target.partition("#")
            there = (page.parent / name) if name else page
            where = page.relative_to(root)
            if not there.exists():
                yield f"{where}: the link {target} leads nowhere."
            elif anchor and there.suffix == ".md" and anchor not in anchors(there.read_text(encoding="utf-8")):
                yield f"{where}: {target}: that page has no such heading."


def missing_targets(root: Path) -> Iterator[str]:
    """Complaints about `make` targets that are named in code and do not exist."""
    rules = {rule["target"] for rule in _MAKE_RULE.finditer((root / "Makefile").read_text(encoding="utf-8"))}
    for page in pages(root):
        text = page.read_text(encoding="utf-8")
        code = [match.group() for match in (*_FENCE.finditer(text), *_INLINE_CODE.finditer(_FENCE.sub("", text)))]
        named = {match["target"] for piece in code for match in _MAKE.finditer(piece)}
        for target in sorted(named - rules):
            yield f"{page.relative_to(root)}: there is no `make {target}`."


def missing_commands(root: Path) -> Iterator[str]:
    """Complaints about command lines of `monoctl` and `m8` that nobody can type."""
    programs = {name: cli_reference.load(target) for name, target in cli_reference.PROGRAMS.items()}
    for page in pages(root):
        name = page.relative_to(root)
        if not any(name.is_relative_to(kept) for kept in KEPT_AS_WRITTEN):
            for complaint in doc_commands.complaints(doc_commands.in_page(page.read_text(encoding="utf-8")), programs):
                yield f"{name}: `{complaint.line}`: {complaint.why}."
    for path in sorted((root / "src" / "monoskope").rglob("*.py")):
        for line, text in _user_texts(_tree(path)):
            for complaint in doc_commands.complaints(doc_commands.in_text(text), programs):
                yield f"{path.relative_to(root)}:{line}: `{complaint.line}`: {complaint.why}."


def _classes(tree: ast.Module) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def _functions(body: list[ast.stmt]) -> set[str]:
    return {node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def _tree(path: Path) -> ast.Module:
    return _parsed(path.read_text(encoding="utf-8"), str(path))


@cache
def _parsed(source: str, name: str) -> ast.Module:
    """Parse a file once, whatever looks at it: most of the time of all checks went there."""
    return ast.parse(source, filename=name)


@cache
def _suites(folder: Path) -> dict[str, ast.ClassDef]:
    """The classes of the shipped suites, by their names."""
    return {name: node for path in sorted(folder.rglob("*.py")) for name, node in _classes(_tree(path)).items()}


def _class_has(root: Path, owner: ast.ClassDef, name: str) -> bool:
    """Whether a class, or one of the shipped suites that it inherits from, has the method `name`."""
    if name in _functions(owner.body):
        return True
    bases = {base.id if isinstance(base, ast.Name) else getattr(base, "attr", "") for base in owner.bases}
    known = _suites(root / "src" / "monoskope" / "testing")
    return any(_class_has(root, known[base], name) for base in bases & known.keys() if known[base] is not owner)


def test_exists(root: Path, file: str, name: str) -> bool:
    """Whether the test `file::name` or `file::Class::name` is defined; nothing is imported for it."""
    if not (root / file).is_file():
        return False
    tree = _tree(root / file)
    owner, separator, method = name.partition("::")
    if not separator:
        return name in _functions(tree.body)
    classes = _classes(tree)
    return owner in classes and _class_has(root, classes[owner], method)


def tested_rows(root: Path, name: Path) -> Iterator[str]:
    """Complaints about rows of the page `name` without a test."""
    page = root / name
    if not page.is_file():
        yield f"{name} is missing."
        return
    lines = page.read_text(encoding="utf-8").splitlines()
    rows = [i for i, line in enumerate(lines) if line.startswith("|")]
    bodies = [
        i for i in rows if not _TABLE_RULE.match(lines[i]) and not _is_head(lines, i) and not _is_sentence(lines, i)
    ]
    if not bodies:
        yield f"{name} has no table."
    for i in bodies:
        if not _TEST_ID.search(lines[i]):
            yield f"{name}:{i + 1}: this row names no test."


def missing_tests(root: Path) -> Iterator[str]:
    """Complaints about tests that pages name and that do not exist."""
    for page in pages(root):
        name = page.relative_to(root)
        if any(name.is_relative_to(kept) for kept in KEPT_AS_WRITTEN):
            continue
        for i, line in enumerate(page.read_text(encoding="utf-8").splitlines()):
            for test in _TEST_ID.finditer(line):
                if not test_exists(root, test["file"], test["name"]):
                    yield f"{name}:{i + 1}: the test {test.group()} does not exist."


def _is_sentence(lines: list[str], index: int) -> bool:
    """Whether a row is of a table of sentences, which is held against the code as a whole by a test of its own."""
    while lines[index - 1].startswith("|") and index:
        index -= 1
    return lines[index].startswith("| sentence |")


def _is_head(lines: list[str], index: int) -> bool:
    return index + 1 < len(lines) and _TABLE_RULE.match(lines[index + 1]) is not None


def unlisted_decisions(root: Path) -> Iterator[str]:
    """Complaints about decision records that the index does not link to."""
    index = root / DECISIONS / "README.md"
    listed = index.read_text(encoding="utf-8") if index.is_file() else ""
    for record in sorted((root / DECISIONS).glob("[0-9]*.md")):
        if f"({record.name})" not in listed:
            yield f"{DECISIONS}/README.md does not list {record.name}."


def _glossary(page: str) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the words of each row of the glossary, and those that it refuses for them."""
    for line in page.splitlines():
        cells = line.strip("| ").split(" | ")
        if line.startswith("| **"):
            refused = cells[2].removesuffix("|").strip() if len(cells) > 2 else ""
            yield re.findall(r"\*\*(.+?)\*\*", cells[0]), [word for word in refused.split(", ") if word]


def _occurs(word: str, text: str) -> bool:
    return re.search(rf"\b{re.escape(word)}(s|ed|ing)?\b", text, re.IGNORECASE) is not None


def unsaid_words(root: Path) -> Iterator[str]:
    """Complaints about words of the glossary that no page uses, and about words that it refuses and that are used."""
    if not (root / GLOSSARY).is_file():
        yield f"{GLOSSARY} is missing."
        return
    before, _, glossary = (root / GLOSSARY).read_text(encoding="utf-8").partition("## Glossary\n")
    texts = {page.relative_to(root): page.read_text(encoding="utf-8") for page in pages(root)} | {GLOSSARY: before}
    for words, refused in _glossary(glossary):
        for word in words:
            if not any(_occurs(word, text) for text in texts.values()):
                yield f"{GLOSSARY}: no page uses {word!r}."
        for page, text in texts.items():
            if any(page.is_relative_to(kept) for kept in KEPT_AS_WRITTEN):
                continue
            for word in refused:
                if _occurs(word, _without_code(text)):
                    yield f"{page}: say {' or '.join(words)!r} instead of {word!r} ({GLOSSARY}, Glossary)."
    yield from _unsaid_words_in_code(root, glossary)


@cache
def _user_texts(tree: ast.Module) -> list[tuple[int, str]]:
    """Return line and text of what users read: arguments of errors and of options, and docstrings of commands."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        read: list[ast.expr] = []
        if isinstance(node, ast.Call):
            if _name(node.func).endswith(("Error", "Meaning", "Doubt")):
                read += node.args
            read += [named.value for named in node.keywords if read or named.arg in USER_TEXTS]
        elif isinstance(node, ast.FunctionDef) and isinstance(node.body[0], ast.Expr) and _is_command(node):
            read.append(node.body[0].value)
        parts = (part for expression in read for part in ast.walk(expression))
        found += [
            (part.lineno, part.value)
            for part in parts
            if isinstance(part, ast.Constant) and isinstance(part.value, str)
        ]
    return found


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _is_command(function: ast.FunctionDef) -> bool:
    return any(re.search(r"\.(command|group)\(", ast.unparse(decorator)) for decorator in function.decorator_list)


def _unsaid_words_in_code(root: Path, glossary: str) -> Iterator[str]:
    """Complaints about words that the glossary refuses and that users read in an error or in the help of a command."""
    rows = list(_glossary(glossary))
    for path in sorted((root / "src" / "monoskope").rglob("*.py")):
        for line, text in _user_texts(_tree(path)):
            for words, refused in rows:
                for word in (word for word in refused if _occurs(word, text)):
                    yield f"{path.relative_to(root)}:{line}: say {' or '.join(words)!r} instead of {word!r}."


def problems(root: Path) -> list[str]:
    """Everything that is wrong, in reading order."""
    found = [
        *broken_links(root),
        *missing_targets(root),
        *missing_commands(root),
        *tested_rows(root, THREAT_MODEL),
        *tested_rows(root, BREAKAGE),
        *missing_tests(root),
        *unlisted_decisions(root),
        *unsaid_words(root),
    ]
    return list(dict.fromkeys(found))


def main() -> int:
    """Print what is wrong; returns the exit code."""
    found = [*problems(ROOT), *doc_figures.stale(ROOT)]
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

"""Notes and fixes name a page of the docs by its address: who installed a package has no docs/."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from monoskope.errors import DOCS

ROOT = Path(__file__).parents[2]
_PAGE = re.compile(r"docs_page\(['\"]([^'\"#]+)")


def sources() -> Iterator[Path]:
    src = ROOT / "src/monoskope"
    return (file for file in src.rglob("*.py") if not {"api", "testing"} & set(file.relative_to(src).parts))


def texts(file: Path) -> Iterator[str]:
    """Every text of a file that is no docstring."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_no_sentence_names_a_file_that_only_the_repository_has() -> None:
    found = [(file.name, text) for file in sources() for text in texts(file) if re.search(r"(?<!/)docs/[a-z]", text)]
    assert found == []


def test_every_page_that_a_sentence_names_is_there() -> None:
    named = {page for file in sources() for page in _PAGE.findall(file.read_text(encoding="utf-8"))}
    assert len(named) > 10
    assert [page for page in sorted(named) if not (ROOT / "docs" / page).exists()] == []
    assert DOCS.endswith("/docs")

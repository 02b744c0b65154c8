"""The comments of the five large packages teach them to a newcomer, and name only what is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "monoskope"
ATTRIBUTES_AND_PROGRAMS = {"Config", "code", "fix", "monoctl", "repr"}
TAUGHT = ["client", "m8", "protocol", "reactor", "stores"]


def comment(package: str) -> str:
    """The docstring of a package."""
    return ast.get_docstring(ast.parse((PACKAGE / package / "__init__.py").read_text(encoding="utf-8"))) or ""


def names_in(package: str) -> set[str]:
    """The modules, packages, classes, functions and methods of a package."""
    files = list((PACKAGE / package).rglob("*.py"))
    texts = [file.read_text(encoding="utf-8") for file in files]
    defined = {name for text in texts for name in re.findall(r"(?m)^ *(?:class|def|async def) (\w+)", text)}
    return defined | {file.stem for file in files} | {file.parent.name for file in files}


@pytest.mark.parametrize("package", TAUGHT)
def test_a_package_says_what_it_is_for_how_to_read_it_and_what_always_holds(package: str) -> None:
    text = comment(package)
    assert 10 <= len(text.splitlines()) <= 25
    assert "Read in this order:" in text
    assert "One rule always holds:" in text


@pytest.mark.parametrize("package", TAUGHT)
def test_every_name_in_the_comment_of_a_package_is_in_that_package(package: str) -> None:
    named = set(re.findall(r"`([A-Za-z_0-9]+)`", comment(package)))
    assert named
    assert named - ATTRIBUTES_AND_PROGRAMS <= names_in(package)

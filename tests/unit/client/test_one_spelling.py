"""The sentences of the client are right in a program and in a command: none has a flag or a Python parameter."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from monoskope import client

_COMMAND = re.compile(r"`monoctl [^`]*`")
_ONE_SIDED = re.compile(r"(?<!-)--[a-z{]|`[a-z_]+=|Expect\.|`[a-z_]+\(\)`")


def _texts() -> Iterator[str]:
    """Every text of the client that is no docstring, with `{}` for what is filled in."""
    for path in Path(client.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        notes = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            match node:
                case ast.JoinedStr(values=values):
                    yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in values)
                case ast.Constant(value=str(text)) if id(node) not in notes:
                    yield text


def test_sentences_name_neither_flags_nor_python() -> None:
    assert [text for text in _texts() if _ONE_SIDED.search(_COMMAND.sub("", text))] == []

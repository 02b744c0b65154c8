"""Every sentence about an outcome that `monoctl` can print, collected from the code that prints it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.walk import reasons, receipts
from monoskope.monoctl.commands import notes
from monoskope.monoctl.output import listed, proven
from monoskope.protocol.outcomes import ENDS, spelled

PACKAGE = Path(__file__).resolve().parents[3] / "src" / "monoskope"
FILES = (
    "client/walk/walk.py",
    "client/http/retry.py",
    "client/walk/task.py",
    "client/walk/checks.py",
    "client/walk/pace.py",
    "client/walk/results.py",
    *(f"client/purposes/{path.name}" for path in sorted((PACKAGE / "client" / "purposes").glob("[a-z]*.py"))),
    "monoctl/output/report.py",
    "monoctl/commands/key_rotation.py",
    "monoctl/commands/put.py",
)
"""Where sentences about outcomes are made in place. Each text with a space in it counts, but docstrings and fixes."""
_INSTRUCTION = re.compile(r"Ask with |Have the |Compare again|Verify again|Import it again|…?, |… before you ")
_OPTIONS = {"option", "argument", "command", "make_request", "UsageError"}
"""Calls whose texts are about the command line."""


def normal(text: str) -> str:
    """Return a sentence with `…` for what is filled in, as the table has it."""
    return re.sub(r"\{[^}]*\}", "…", text).strip().rstrip(".").replace("|", "\\|")


def every() -> set[str]:
    """Return all of them, `normal`."""
    found = {meaning.message for meaning in (*reasons.MEANINGS.values(), *reasons._FOR_PURPOSE.values())}
    found |= {reasons._UNKNOWN.message, reasons.UNSIGNED, reasons.NOT_WHICH, proven.M8S_WORD, proven.NOT_WHOSE}
    found |= {proven.OTHER_KEY}
    found |= {reasons.THERE, notes.M8S_WORD}
    found |= {*receipts.QUIET, *listed.SENTENCES}
    for name in FILES:
        found |= set(_texts(ast.parse((PACKAGE / name).read_text(encoding="utf-8"))))
    sentences = {normal(text) for text in found}
    return {text for text in sentences if re.search("[a-z]", text) and not _INSTRUCTION.match(text)} | _words()


def _words() -> set[str]:
    return {spelled(upload_pb2.Outcome, outcome) for outcome in ENDS}


def _texts(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.Expr(value=ast.Constant()) | ast.keyword(arg="fix" | "otherwise") | ast.Assert():
                continue  # a docstring, an instruction, what is never printed
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in _OPTIONS:
                continue
            case ast.JoinedStr(values=values):
                text = "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in values)  # type: ignore[misc]
                if " " in text.strip("{} "):
                    yield text
            case ast.Constant(value=str(text)):
                if " " in text.strip():
                    yield text
            case _:
                yield from _texts(child)

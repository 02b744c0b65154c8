"""The threat model lists each sentence that `monoctl` can print about an outcome, and what proves it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.walk import reasons, receipts
from monoskope.monoctl.commands import change
from monoskope.monoctl.output import listed, views
from monoskope.protocol.outcomes import ENDS, spelled

PACKAGE = Path(__file__).resolve().parents[3] / "src" / "monoskope"
FILES = (
    "client/walk/walk.py",
    "client/http/retry.py",
    "client/walk/task.py",
    "client/walk/checks.py",
    "client/walk/pace.py",
    "client/walk/results.py",
    *(f"client/purposes/{path.name}" for path in sorted((PACKAGE / "client" / "purposes").glob("*.py"))),
    "monoctl/output/report.py",
    "monoctl/commands/put.py",
)
"""Where sentences about outcomes are made in place. Each text with a space in it counts, but docstrings and fixes."""
ROTATION = ("start_rotation", "finish_rotation", "_breaks", "_left_behind")
"""The functions of `monoctl/commands/stores.py` that tell outcomes."""
_INSTRUCTION = re.compile(r"Ask with |Have the |Compare again|Verify again|Import it again|…?, |… before you ")
_OPTIONS = {"option", "argument", "command", "expect_options", "make_request", "UsageError"}
"""Calls whose texts are about the command line."""


PAGE = Path(__file__).resolve().parents[3] / "docs" / "security" / "threat-model.md"
HEADING = "## What `monoctl` says of an outcome, and what proves it"


def normal(text: str) -> str:
    """Return a sentence with `…` for what is filled in, as the table has it."""
    return re.sub(r"\{[^}]*\}", "…", text).strip().rstrip(".").replace("|", "\\|")


def every() -> set[str]:
    """Return all of them, `normal`."""
    found = {meaning.message for meaning in (*reasons.MEANINGS.values(), *reasons._FOR_PURPOSE.values())}
    found |= {reasons._UNKNOWN.message, reasons.UNSIGNED, reasons.NOT_WHICH, views.M8S_WORD, views.NOT_WHOSE}
    found |= {views.OTHER_KEY}
    found |= {reasons.THERE, change.M8S_WORD}
    found |= {*receipts.QUIET, *listed.SENTENCES}
    for name in FILES:
        found |= set(_texts(ast.parse((PACKAGE / name).read_text(encoding="utf-8"))))
    stores = ast.parse((PACKAGE / "monoctl/commands/stores.py").read_text(encoding="utf-8"))
    rotation = [one for one in stores.body if isinstance(one, ast.FunctionDef) and one.name in ROTATION]
    assert len(rotation) == len(ROTATION)
    found |= {text for one in rotation for text in _texts(one)}
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


def rows() -> list[tuple[str, str]]:
    """Sentence and proof of each row of the table."""
    _, _, after = PAGE.read_text(encoding="utf-8").partition(f"{HEADING}\n")
    lines = [line for line in after.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    cells = [row.removeprefix("| ").removesuffix(" |").split(" | ") for row in lines[1:]]
    assert all(len(row) == 2 and all(row) for row in cells)
    return [(sentence, proof) for sentence, proof in cells]


def test_every_sentence_about_an_outcome_is_listed_with_what_proves_it() -> None:
    missing = sorted(every() - {sentence for sentence, _ in rows()})
    assert not missing, f"say in {PAGE.name} what proves: {missing}"


def test_no_sentence_is_listed_that_is_not_said_and_none_twice() -> None:
    sentences = [sentence for sentence, _ in rows()]
    assert set(sentences) <= every()
    assert len(set(sentences)) == len(sentences)

"""What monoctl says of the reason of a failure, and that every sentence about an outcome is listed with its proof."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.walk import reasons, receipts
from monoskope.monoctl.commands import change
from monoskope.monoctl.output import listed, views
from monoskope.protocol.outcomes import ENDS, spelled
from monoskope.testing.scripted.m8 import Attempt, ScriptedM8
from tests.unit.monoctl.as_alice import VALUE, Run, ends

URI = "vault://app/db"
SENTENCE = "the engine's policy does not allow this."
REFUSED = upload_pb2.REASON_UPSTREAM_REFUSED
PUT, PATCH = (("put", "secret", URI, "--from-file", "password=-"), ("patch", "secret", URI, "--remove", "a"))
DELETE, IMPORT = ("delete", "secret", URI, "--yes"), ("import", "secret", URI)
UNDELETE, ROLLBACK = ("undelete", "secret", URI), ("rollback", "secret", URI, "--to", "1@x")


def fails(m8: ScriptedM8, reason: upload_pb2.Reason, detail: str = "") -> None:
    def end(attempt: Attempt) -> views_pb2.SecretUpload:
        signed = attempt.receipt(upload_pb2.OUTCOME_FAILED, reason=reason, detail=detail)
        return m8.ended(attempt, signed, reason)

    m8.end = end


def refuses_key(m8: ScriptedM8, reason: upload_pb2.Reason, detail: str) -> None:
    answer = queries_pb2.GetSecretUploadKeyResponse(state=views_pb2.UPLOAD_STATE_ENDED, reason=reason, detail=detail)
    m8.key_answer = lambda _: answer


def test_a_refusal_says_what_the_driver_knew(m8: ScriptedM8, run: Run) -> None:
    fails(m8, REFUSED, SENTENCE)
    result = ends(run(*PUT, stdin=VALUE), 3, "(UPSTREAM_REFUSED: the engine's policy does not allow this)")
    assert "m8 says" not in result.stderr


def test_before_anything_was_sent_the_sentence_is_m8s_word(m8: ScriptedM8, run: Run) -> None:
    refuses_key(m8, REFUSED, "a path in this store is NAMESPACE/NAME.")
    result = run(*PUT, stdin=VALUE)
    ends(result, 3, "m8 says: ", "(UPSTREAM_REFUSED: a path in this store is NAMESPACE/NAME). No store signed that")


@pytest.mark.parametrize("detail", ["\x1b[2J gone", "x" * 201, "line\nfix: overwrite it", "\u202e"])
def test_what_is_no_sentence_is_not_shown(m8: ScriptedM8, run: Run, detail: str) -> None:
    refuses_key(m8, REFUSED, detail)
    result = ends(run(*PUT, stdin=VALUE), 3, "(UPSTREAM_REFUSED)")
    assert detail not in result.stderr


MEANT = [
    (PUT, "CONFLICT", 6, "`expect`"),
    (PUT, "UPSTREAM_CHANGED", 6, "`overwrite`"),
    (PUT, "UPSTREAM_REFUSED", 3, "`binary` base64"),
    (PUT, "OUTCOME_UNKNOWN", 9, "monoctl compare secret"),
    (PUT, "EXPIRED", 8, "Try again"),
    (PATCH, "NOT_FOUND", 4, "nothing to patch"),
    (PATCH, "CONFLICT", 6, "lacks a key to remove"),
    (PATCH, "UPSTREAM_CHANGED", 6, "patch again with `overwrite`"),
    (PATCH, "UPSTREAM_REFUSED", 3, "no key would be left"),
    (PATCH, "UNSUPPORTED", 3, "cannot do this"),
    (DELETE, "NOT_FOUND", 4, "nothing to delete"),
    (DELETE, "CONFLICT", 6, "nothing is upstream, or not what `expect` names; what is there was not deleted"),
    (DELETE, "UPSTREAM_CHANGED", 6, "delete again with `overwrite`"),
    (DELETE, "UNSUPPORTED", 3, "cannot do this"),
    (IMPORT, "NOT_FOUND", 4, "nothing to import"),
    (IMPORT, "CONFLICT", 6, "nothing to import"),
    (UNDELETE, "CONFLICT", 6, "another version than `expect` names was deleted last"),
    (UNDELETE, "CONFLICT", 6, "`monoctl get secret --versions`"),
    (UNDELETE, "NOT_FOUND", 4, "nothing can be brought back"),
    (UNDELETE, "NOT_FOUND", 4, "`monoctl get secret --versions` shows"),
    (UNDELETE, "UPSTREAM_CHANGED", 6, "undelete with `overwrite`"),
    (UNDELETE, "UNSUPPORTED", 3, "describe secret-store"),
    (ROLLBACK, "CANNOT_READ", 3, "does not keep that version"),
    (ROLLBACK, "CANNOT_READ", 3, "`monoctl get secret --versions` shows"),
    (ROLLBACK, "UPSTREAM_CHANGED", 6, "roll back with `overwrite`"),
    (ROLLBACK, "CONFLICT", 6, "is not what `expect` names"),
]


@pytest.mark.parametrize(("words", "reason", "code", "said"), MEANT)
def test_a_signed_failure_says_what_it_means_for_what_was_asked_and_what_to_do(  # noqa: PLR0917 - fixtures and one case
    m8: ScriptedM8, run: Run, words: tuple[str, ...], reason: str, code: int, said: str
) -> None:
    fails(m8, getattr(upload_pb2, f"REASON_{reason}"))
    result = run(*words, stdin=VALUE)
    assert result.exit_code == code
    error, fix = result.stderr.splitlines()
    assert error.startswith(f"error: {URI}: ")
    assert fix.startswith("fix: ")
    assert reason == "OUTCOME_UNKNOWN" or f"({reason})" in error
    assert said in result.stderr
    assert len(m8.attempts) == 1


def capabilities(m8: ScriptedM8) -> views_pb2.Reactor:
    return m8.stores["vault"].reactors[0]


def test_a_dry_run_says_that_the_store_would_refuse_the_size(m8: ScriptedM8, run: Run) -> None:
    capabilities(m8).capabilities.max_plaintext = 512
    ends(run(*PUT, "--dry-run", stdin="x" * 1_000), 3, "accepts at most 512")
    assert m8.count("RequestSecretUploadKey") == 0


def test_a_dry_run_says_that_the_store_takes_another_key(m8: ScriptedM8, run: Run) -> None:
    capabilities(m8).capabilities.key_rule = r"the\-value"
    ends(run(*PUT, "--dry-run", stdin=VALUE), 3, "takes no key 'password'")
    assert run("put", "secret", URI, "--from-file", "the-value=-", "--dry-run", stdin=VALUE).exit_code == 0


def test_a_foreign_pattern_is_not_run_here(m8: ScriptedM8, run: Run) -> None:
    """It is m8's text: it could take for ever."""
    capabilities(m8).capabilities.key_rule = "(p|pa|a|as|s|ss)*x"
    assert run(*PUT, "--dry-run", stdin=VALUE).exit_code == 0


@pytest.mark.parametrize("expect", ["absent", "7@x"])
def test_a_dry_run_says_that_the_engine_cannot_compare_versions(m8: ScriptedM8, run: Run, expect: str) -> None:
    capabilities(m8).capabilities.check_and_set = False
    ends(run(*PUT, "--dry-run", "--expect", expect, stdin=VALUE), 3, "cannot replace exactly one version")
    assert run(*PUT, "--dry-run", stdin=VALUE).exit_code == 0


PACKAGE = Path(__file__).resolve().parents[3] / "src" / "monoskope"
FILES = (
    "client/walk/walk.py",
    "client/http/retry.py",
    "client/walk/task.py",
    "client/walk/checks.py",
    "client/walk/pace.py",
    "client/walk/results.py",
    *(f"client/purposes/{path.name}" for path in sorted((PACKAGE / "client" / "purposes").glob("*.py"))),
    *(f"client/changes/{path.name}" for path in sorted((PACKAGE / "client" / "changes").glob("*.py"))),
    "monoctl/output/ending.py",
    "monoctl/output/changes.py",
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
    found |= {reasons.THERE, reasons.ASKS, change.M8S_WORD}
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

"""`monoctl delete secret` against a real server: the question on a terminal, what is printed, and the exit code."""

from __future__ import annotations

import json
import os

import pytest

from monoskope.testing.scripted.m8 import VERSION, ScriptedM8
from tests.unit.monoctl.as_alice import Run
from tests.unit.monoctl.on_terminal import Typed, on_terminal

URI = "vault://app/db"


def typed(keys: bytes, *words: str) -> Typed:
    """Answer the question. The fixture `run` has set the environment."""
    return on_terminal("delete", "secret", URI, *words, until="[y/N]", keys=keys, environment=os.environ)


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(("words", "question"), [((), "Delete"), (("--destroy",), "Erase for good")])
def test_a_terminal_is_asked_and_yes_deletes(m8: ScriptedM8, words: tuple[str, ...], question: str) -> None:
    done = typed(b"y\n", "-o", "json", *words)

    assert done.code == 0
    assert f"{question}: {URI}? [y/N]" in done.shown
    deleted = json.loads(done.out)
    assert (deleted["outcome"], deleted["deleted_version"], deleted["destroyed"]) == ("DELETED", VERSION, bool(words))
    assert m8.attempts[0].request.destroy is bool(words)


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize("keys", [b"\n", b"n\n", b"no\n"])
def test_anything_but_yes_deletes_nothing(m8: ScriptedM8, keys: bytes) -> None:
    done = typed(keys)

    assert done.code == 2
    assert "you did not agree; nothing was sent" in done.shown
    assert (done.out, m8.calls) == ("", [])


def test_without_a_terminal_nothing_is_deleted_unless_it_was_said(m8: ScriptedM8, run: Run) -> None:
    refused = run("delete", "secret", URI, stdin="y\n")
    assert (refused.exit_code, m8.calls) == (2, [])
    assert "no terminal" in refused.stderr

    assert run("delete", "secret", URI, "--yes", "--expect", "absent").exit_code == 2
    assert m8.calls == []
    assert run("delete", "secret", URI, "--yes").exit_code == 0

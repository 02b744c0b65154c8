"""Questions on a real terminal: where they are asked, what is shown, and what Ctrl-C leaves."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from monoskope.monoctl.output import terminal
from monoskope.testing.parts import program
from monoskope.testing.scripted.client import was_received
from monoskope.testing.scripted.m8 import ScriptedM8
from tests.unit.monoctl.as_alice import VALUE, Run, ends
from tests.unit.monoctl.on_terminal import CTRL_C, Steps, Typed, converse

pytestmark = pytest.mark.usefixtures("run")
"""Which sets the environment."""

PUT = ("put", "secret", "vault://app/db")
HIDDEN = "Value of password (hidden)"
TYPED = (HIDDEN, f"{VALUE}\n".encode())


def typed(*words: str, steps: Steps, stdin: bytes | None = None) -> Typed:
    done = converse([program("monoctl"), *words], steps, os.environ, stdin=stdin)
    assert VALUE not in done.shown
    assert "Traceback" not in done.shown
    assert done.echoes, "the terminal no longer shows what is typed"
    return done


@pytest.mark.parametrize(
    ("words", "steps", "stdin", "more"),
    [
        (["password"], [TYPED], None, {}),
        (["password"], [TYPED], b"vault://app/other\nvault://app/third\n", {}),
        (["password", "--from-file", "user=-"], [TYPED], b"alice", {"user": 5}),
        ([], [("Key (empty when done)", b"password\n"), TYPED, ("Key (empty", b"\n")], None, {}),
        (["password"], [(HIDDEN, b"\n"), (f"That was empty. {HIDDEN}", b"\n"), TYPED], None, {}),
    ],
    ids=["terminal", "while read", "and one from a pipe", "keys and values in turn", "again if it is empty"],
)
def test_a_value_is_asked_for_on_the_terminal_whatever_stdin_is(
    m8: ScriptedM8, words: list[str], steps: Steps, stdin: bytes | None, more: dict[str, int]
) -> None:
    done = typed(*PUT, *words, "--dry-run", "-o", "json", steps=steps, stdin=stdin)

    assert (done.code, json.loads(done.out)["sizes"]) == (0, {"password": len(VALUE)} | more)
    assert not was_received(m8, VALUE.encode())


def test_a_question_is_escaped() -> None:
    done = typed("delete", "secret", "vault://a\x1b[2Jb", steps=[("[y/N]", b"n\n")])

    assert "\x1b[2J" not in done.shown
    assert "\\u001b[2J" in done.shown


def test_the_first_contact_is_asked_about_while_stdin_holds_the_value(m8: ScriptedM8, tmp_path: Path) -> None:
    (tmp_path / "known_stores").unlink()

    words = (*PUT, "--from-file", "password=-", "-o", "json")
    done = typed(*words, steps=[("[y/N]", b"y\n")], stdin=VALUE.encode())

    assert (done.code, json.loads(done.out)["outcome"]) == (0, "UPLOADED")
    assert m8.identity.shown in (tmp_path / "known_stores").read_text()
    assert len(m8.attempts) == 1


def test_a_deletion_is_asked_about_while_stdin_is_something_else(m8: ScriptedM8) -> None:
    done = typed("delete", "secret", "vault://app/db", steps=[("[y/N]", b"y\n")], stdin=b"n\n")

    assert (done.code, len(m8.attempts)) == (0, 1)


def test_three_empty_answers_are_a_usage_error(m8: ScriptedM8) -> None:
    done = typed(*PUT, "password", steps=[(HIDDEN, b"\n")] * 3)

    assert (done.code, m8.calls) == (2, [])
    assert "no value was given for 'password'" in done.shown
    assert "--from-file password=/dev/null --allow-empty" in done.shown


@pytest.mark.parametrize(
    ("words", "steps"),
    [
        ((*PUT, "password"), [(HIDDEN, CTRL_C)]),
        ((*PUT, "user", "password"), [("Value of user", b"alice\n"), (HIDDEN, CTRL_C)]),
        (PUT, [("Key (empty when done)", CTRL_C)]),
        ((*PUT, "--from-file", "password=/dev/null", "--allow-empty", "--server", "{new}"), [("[y/N]", CTRL_C)]),
        (("delete", "secret", "vault://app/db"), [("[y/N]", CTRL_C)]),
    ],
    ids=["value", "second value", "key", "first contact", "deletion"],
)
@pytest.mark.parametrize("stdin", [None, b""], ids=["terminal", "pipe"])
def test_ctrl_c_ends_each_question_and_the_terminal_is_as_before(
    m8: ScriptedM8, tmp_path: Path, words: tuple[str, ...], steps: Steps, stdin: bytes | None
) -> None:
    if "{new}" in words:
        (tmp_path / "known_stores").unlink()
        words = words[:-2]

    done = typed(*words, steps=steps, stdin=stdin)

    assert done.code == 130
    assert "interrupted; nothing was sent" in done.shown
    assert "alice" not in done.shown
    assert not m8.attempts


def test_another_signal_leaves_the_terminal_as_before_too(m8: ScriptedM8) -> None:
    assert (typed(*PUT, "password", steps=[(HIDDEN, b"\x1c")]).code, m8.calls) == (-signal.SIGQUIT, [])


def test_ctrl_c_at_a_passphrase_of_the_reactor_is_the_same(tmp_path: Path) -> None:
    words = ("reactor", "fingerprint-key", "export", str(tmp_path), "--passphrase")
    steps = [("Passphrase", b"hunter2\n"), ("Repeat for confirmation", CTRL_C)]
    done = converse([program("m8"), *words], steps, os.environ)

    assert (done.code, done.echoes, done.out) == (130, True, "")
    assert "hunter2" not in done.shown
    assert "Traceback" not in done.shown


def test_ctrl_d_is_no_answer(m8: ScriptedM8) -> None:
    assert (typed("delete", "secret", "vault://app/db", steps=[("[y/N]", b"\x04")]).code, m8.calls) == (130, [])


def test_an_answer_that_is_no_text_is_said_and_not_shown(m8: ScriptedM8) -> None:
    done = typed(*PUT, "password", steps=[(HIDDEN, b"hunter2\xff\n")])

    assert (done.code, m8.calls) == (2, [])
    assert "not UTF-8" in done.shown
    assert "hunter2" not in done.shown


def test_without_a_terminal_nobody_is_asked(m8: ScriptedM8, run: Run) -> None:
    assert not terminal.interactive()
    result = run(*PUT, "password", stdin=f"{VALUE}\n")

    assert (result.exit_code, m8.calls) == (2, [])
    assert "no terminal" in result.stderr


def test_a_newline_of_echo_is_said_and_can_be_removed(run: Run) -> None:
    def sizes(value: bytes, *words: str) -> tuple[int, str]:
        result = ends(run(*PUT, "--from-file", "password=-", "--dry-run", "-o", "json", *words, stdin=value), 0)
        return json.loads(result.stdout)["sizes"]["password"], result.stderr

    size, said = sizes(b"abc\n")
    assert size == 4
    assert "the value of 'password' ends with a newline" in said
    assert "--trim-newline" in said
    assert sizes(b"abc") == (3, "")
    assert sizes(b"line\nline\n") == (10, "")
    for value in (b"abc\n", b"abc\r\n", b"abc"):
        assert sizes(value, "--trim-newline") == (3, "")
    assert sizes(b"abc\n\n", "--trim-newline") == (4, "")


def test_a_newline_is_removed_from_files_too(run: Run, tmp_path: Path) -> None:
    (tmp_path / "value").write_bytes(b"abc\n")
    words = ("--from-file", f"a={tmp_path / 'value'}", "--dry-run", "-o", "json")

    assert json.loads(run(*PUT, *words).stdout)["sizes"] == {"a": 4}
    assert json.loads(run(*PUT, *words, "--trim-newline").stdout)["sizes"] == {"a": 3}


def test_trimming_nothing_is_a_mistake(run: Run, tmp_path: Path) -> None:
    (tmp_path / "app.env").write_text("A=1\n")
    result = run(*PUT, "--from-env-file", str(tmp_path / "app.env"), "--trim-newline")
    ends(result, 2, "--trim-newline is for --from-file")

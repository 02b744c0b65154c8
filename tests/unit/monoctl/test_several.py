"""Several secrets of one command: a row for each, an exit code that says so, and a bar on a terminal alone."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.walk.pace import Tally
from monoskope.monoctl.output.progress import Bar
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.client import pinned
from monoskope.testing.scripted.m8 import Attempt, ScriptedM8
from tests.unit.monoctl.as_alice import VALUE, Run

URIS = ["vault://app/db", "local://app/db", "vault://app/other"]


@pytest.fixture
def fails(m8: ScriptedM8, tmp_path: Path) -> ScriptedM8:
    """Everything in the store `local` fails for a conflict."""
    m8.add_store("local", Identity(), kind="age")
    pinned(m8, tmp_path)

    def end(attempt: Attempt) -> views_pb2.SecretUpload:
        if attempt.request.uri.store == "local":
            return m8.ended(attempt, attempt.failure(upload_pb2.REASON_UPSTREAM_CHANGED))
        return m8.honest_end(attempt)

    m8.end = end
    return m8


@pytest.mark.usefixtures("fails")
def test_each_has_its_row_with_the_reason(run: Run) -> None:
    result = run("put", "secret", *URIS, "--from-file", "password=-", stdin=VALUE)

    assert result.exit_code == 16
    header, *rows = [line.split() for line in result.stdout.splitlines()]
    assert header == ["URI", "OUTCOME", "VERSION", "HASH", "REASON"]
    assert [(row[0], row[1], row[-1]) for row in rows] == [
        (URIS[0], "UPLOADED", "-"),
        (URIS[1], "FAILED", "UPSTREAM_CHANGED"),
        (URIS[2], "UPLOADED", "-"),
    ]
    assert result.stderr.count("error: ") == 1
    assert URIS[1] in result.stderr


@pytest.mark.usefixtures("fails")
def test_json_says_the_same(run: Run) -> None:
    result = run("put", "secret", *URIS, "--from-file", "password=-", "-o", "json", stdin=VALUE)

    assert [(row["uri"], row["outcome"]) for row in json.loads(result.stdout)] == [
        (URIS[0], "UPLOADED"),
        (URIS[1], "FAILED"),
        (URIS[2], "UPLOADED"),
    ]
    assert json.loads(result.stdout)[1]["code"] == "CONFLICT"
    assert json.loads(result.stdout)[1]["reason"] == "UPSTREAM_CHANGED"
    assert json.loads(result.stderr)["error"]["exit_code"] == 6


@pytest.mark.usefixtures("fails")
def test_if_all_that_was_tried_failed_the_code_is_the_first_ones(run: Run) -> None:
    result = run("put", "secret", "local://app/db", "local://app/x", "--from-file", "password=-", stdin=VALUE)
    assert result.exit_code == 6


@pytest.mark.usefixtures("fails")
def test_nothing_is_written_where_one_could_not_be(run: Run, m8: ScriptedM8) -> None:
    result = run("put", "secret", *URIS, "nowhere://app/db", "--from-file", "password=-", stdin=VALUE)

    assert result.exit_code == 4
    assert [line.split()[1] for line in result.stdout.splitlines()[1:]] == [*["NOT_TRIED"] * 3, "FAILED"]
    assert "note: 3 of the secrets were not tried; nothing was sent for them." in result.stderr
    alone = run("put", "secret", URIS[0], "nowhere://app/db", "--from-file", "password=-", stdin=VALUE)
    assert "note: 1 of the secrets was not tried; nothing was sent for them." in alone.stderr
    assert result.stderr.count("error: ") == 1
    assert m8.attempts == []


@pytest.mark.usefixtures("fails")
def test_what_changes_nothing_ends_as_before(run: Run) -> None:
    result = run("compare", "secret", *URIS, "--from-file", "password=-", stdin=VALUE)
    assert result.exit_code == 6
    assert [line.split()[0] for line in result.stdout.splitlines()[1:]] == URIS


def test_a_limit_has_its_own_code_and_says_when_to_come_back(m8: ScriptedM8, run: Run) -> None:
    m8.end = lambda attempt: m8.ended(
        attempt,
        attempt.receipt(upload_pb2.OUTCOME_FAILED, reason=upload_pb2.REASON_RATE_LIMITED, retry_after_s=3_540),
        upload_pb2.REASON_RATE_LIMITED,
    )
    for command in ("put", "compare"):
        result = run(command, "secret", "vault://app/db", "--from-file", "password=-", stdin=VALUE)
        assert result.exit_code == 14
        assert "fix: Try again in 59 min" in result.stderr
        assert ("comparisons" in result.stderr) is (command == "compare")
        result = run(command, "secret", "vault://app/db", "--from-file", "password=-", "-o", "json", stdin=VALUE)
        error = json.loads(result.stderr)["error"]
        assert (error["code"], error["exit_code"], error["retry_after_s"]) == ("RATE_LIMITED", 14, 3_540)


class Screen(io.StringIO):
    """What a stream shows, and whether it is a terminal."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def shown(monkeypatch: pytest.MonkeyPatch, *, terminal: bool, seconds: float, term: str = "xterm") -> str:
    """What stderr shows of three secrets, each of which takes so long."""
    screen, time = Screen(terminal=terminal), [0.0]
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", term)
    bar = Bar(now=lambda: time[0])
    for done in range(4):
        bar.tell(Tally(3, done=done))
        time[0] += seconds
    bar.stop()
    assert not bar.visible
    return screen.getvalue()


def test_a_bar_counts_on_a_terminal_once_a_second_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, terminal=True, seconds=0.6)
    assert "2/3" in text
    assert "3/3" in text
    assert "1/3" not in text
    assert text.endswith("\x1b[?25h\n"), "the cursor is back"


@pytest.mark.parametrize(
    ("terminal", "seconds", "term"), [(False, 9, "xterm"), (True, 0.1, "xterm"), (True, 9, "dumb")]
)
def test_nothing_is_drawn_elsewhere_or_for_what_is_quick(
    monkeypatch: pytest.MonkeyPatch, *, terminal: bool, seconds: float, term: str
) -> None:
    assert shown(monkeypatch, terminal=terminal, seconds=seconds, term=term) == ""

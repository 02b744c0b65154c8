"""Several secrets with one command, and each key as a secret of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.purposes import Expect
from monoskope.client.walk.pace import Tally
from monoskope.client.walk.task import Progress, Stage
from monoskope.errors import OutcomeUnknownError, UnauthenticatedError, UsageError
from monoskope.exit_codes import ExitCode, exit_code
from monoskope.monoctl.input.put_each import planned
from monoskope.monoctl.output.ending import InterruptedBeforeSendingError, interrupted
from monoskope.monoctl.output.progress import Bar, Watch
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.client import pinned, was_received
from monoskope.testing.scripted.m8 import Attempt, ScriptedM8
from monoskope.uri import SecretUri
from tests.unit.monoctl.as_alice import VALUE, Run, ends
from tests.unit.monoctl.on_terminal import Screen

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
    result = ends(run("put", "secret", *URIS, "--from-file", "password=-", stdin=VALUE), 16)
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
    ends(run("put", "secret", "local://app/db", "local://app/x", "--from-file", "password=-", stdin=VALUE), 6)


@pytest.mark.usefixtures("fails")
def test_nothing_is_written_where_one_could_not_be(run: Run, m8: ScriptedM8) -> None:
    result = ends(run("put", "secret", *URIS, "nowhere://app/db", "--from-file", "password=-", stdin=VALUE), 4)
    assert [line.split()[1] for line in result.stdout.splitlines()[1:]] == [*["NOT_TRIED"] * 3, "FAILED"]
    assert "note: 3 of the secrets were not tried; nothing was sent for them." in result.stderr
    alone = run("put", "secret", URIS[0], "nowhere://app/db", "--from-file", "password=-", stdin=VALUE)
    assert "note: 1 of the secrets was not tried; nothing was sent for them." in alone.stderr
    assert (result.stderr.count("error: "), m8.attempts) == (1, [])


@pytest.mark.usefixtures("fails")
def test_what_changes_nothing_ends_as_before(run: Run) -> None:
    result = ends(run("compare", "secret", *URIS, "--from-file", "password=-", stdin=VALUE), 6)
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


# What Ctrl-C tells.

URI, OTHER = SecretUri.parse("vault://app/db"), SecretUri.parse("local://app/db")
FIRST, SECOND = b"\x01" * 16, b"\x02" * 16


def watching(*progress: Progress) -> Watch:
    watch = Watch()
    for one in progress:
        watch.observe(one)
    return watch


SENT = Progress(URI, FIRST, Stage.SENT)


@pytest.mark.parametrize(
    ("progress", "said"),
    [
        ((SENT, Progress(URI, SECOND, Stage.ASKING)), [FIRST.hex()]),
        (
            (SENT, Progress(URI, SECOND, Stage.ENDED, end="FAILED: CONFLICT")),
            ["may or may not be written", "ended as FAILED: CONFLICT"],
        ),
        (
            (Progress(URI, FIRST, Stage.ENDED, end="UPLOADED"), Progress(OTHER, SECOND, Stage.SENT)),
            [f"{OTHER} was sent", f"{URI} ended as UPLOADED"],
        ),
        ((Progress(URI, FIRST, Stage.SENT, writes=False),), ["nothing was written"]),
        ((Progress(URI, FIRST, Stage.SENT, done="patched"),), ["may or may not be patched"]),
        ((Progress(URI, FIRST, Stage.SENT, done="deleted"),), ["may or may not be deleted"]),
    ],
    ids=["a new one has sent nothing", "a later failure", "several uris", "comparison", "patch", "deletion"],
)
def test_what_was_sent_without_proof_is_unknown_and_named(progress: tuple[Progress, ...], said: list[str]) -> None:
    watch = watching(*progress)
    error = interrupted(watch.sent(), watch.ended())
    assert isinstance(error, OutcomeUnknownError)
    assert exit_code(error) is ExitCode.OUTCOME_UNKNOWN
    assert all(text in error.message for text in said)
    assert progress[-1].request_id.hex() in error.fix or FIRST.hex() in error.fix


def test_a_later_success_settles_it() -> None:
    watch = watching(Progress(URI, FIRST, Stage.SENT), Progress(URI, SECOND, Stage.ENDED, end="UPLOADED"))
    assert watch.sent() == []
    assert "ended as UPLOADED" in interrupted(watch.sent(), watch.ended()).message


def test_before_anything_was_sent_that_is_said() -> None:
    watch = watching(Progress(URI, FIRST, Stage.ASKING))
    assert isinstance(interrupted(watch.sent(), watch.ended()), InterruptedBeforeSendingError)


KEYS = [f"KEY_{number}" for number in range(200)]


@pytest.fixture
def many(tmp_path: Path) -> str:
    """The path of an env file of 200 keys."""
    (tmp_path / "many.env").write_text("".join(f"{key}='{VALUE} {key}'\n" for key in KEYS))
    return str(tmp_path / "many.env")


def test_200_keys_are_too_many_for_one_secret_and_the_fix_names_each(m8: ScriptedM8, run: Run, many: str) -> None:
    result = run("put", "secret", "vault://app/db", "--from-env-file", many)
    ends(result, 2, "a secret has 1 to 64 keys, this one 200", "--each")
    assert m8.calls == []


def test_64_keys_fit_into_one_secret(m8: ScriptedM8, run: Run, tmp_path: Path) -> None:
    (tmp_path / "app.env").write_text("".join(f"{key}={VALUE}\n" for key in KEYS[:64]))

    assert run("put", "secret", "vault://app/db", "--from-env-file", str(tmp_path / "app.env")).exit_code == 0
    assert len(m8.attempts) == 1


def test_200_keys_become_200_secrets(m8: ScriptedM8, run: Run, many: str) -> None:
    result = ends(run("put", "secret", "vault://app/", "--from-env-file", many, "--each", "-o", "json"), 0)
    assert [one["uri"] for one in json.loads(result.stdout)] == [f"vault://app/{key}" for key in KEYS]
    assert [str(attempt.request.uri) for attempt in m8.attempts] == [f"vault://app/{key}" for key in KEYS]
    assert not was_received(m8, VALUE.encode())


def test_a_dry_run_shows_which_and_sends_nothing(m8: ScriptedM8, run: Run, many: str) -> None:
    words = ("put", "secret", "app/", "--from-env-file", many, "--each", "--dry-run")
    shown = json.loads(run(*words, "-o", "json").stdout)

    assert [one["uri"] for one in shown] == [f"vault://app/{key}" for key in KEYS]
    assert shown[7]["sizes"] == {"value": len(f"{VALUE} {KEYS[7]}")}
    assert run(*words).stdout.count("will lie in its engine") == 1
    assert m8.count("RequestSecretUploadKey") == 0


def test_keys_that_are_no_segments_are_named_before_sending(m8: ScriptedM8, run: Run, tmp_path: Path) -> None:
    long = "L" * 129
    (tmp_path / "app.env").write_text(f"GOOD={VALUE}\n.hidden={VALUE}\n-dash={VALUE}\n{long}={VALUE}\nlower={VALUE}\n")

    result = ends(run("put", "secret", "vault://app/", "--from-env-file", str(tmp_path / "app.env"), "--each"), 2)
    for key in (".hidden", "-dash", long):
        assert key in result.stderr
    assert "GOOD" not in result.stderr
    assert m8.calls == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("vault://app",), "a prefix that ends in '/'"),
        (("vault://app/", "vault://other/"), "takes one URI"),
        (("vault://app/", "--expect", "7"), "--expect VERSION exclude each other"),
        (("vault://../",), "'..'"),
    ],
)
def test_contradictions_are_told(m8: ScriptedM8, run: Run, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    (tmp_path / "app.env").write_text("A=1\n")
    ends(run("put", "secret", *words, "--each", "--from-env-file", str(tmp_path / "app.env")), 2, said)
    assert m8.calls == []


def test_a_value_that_is_too_large_stops_all(m8: ScriptedM8, run: Run) -> None:
    values = {"a": b"1", "b": bytes(800_000)}
    with pytest.raises(UsageError, match="at most 1048576"):
        planned(["app/"], values, each=True, expect=Expect.ANY)


def test_what_holds_for_all_is_met_once_and_each_secret_has_its_row(m8: ScriptedM8, run: Run, many: str) -> None:
    m8.failing["RequestSecretUploadKey"] = [UnauthenticatedError("the credential is expired.", fix="Ask.")]

    result = ends(run("put", "secret", "vault://app/", "--from-env-file", many, "--each", "-o", "json"), 10)
    rows = [(one["uri"], one["outcome"]) for one in json.loads(result.stdout)]
    assert rows == [(f"vault://app/{key}", "NOT_TRIED" if key != KEYS[0] else "FAILED") for key in KEYS]
    assert (result.stderr.count("the credential is expired"), m8.count("RequestSecretUploadKey")) == (1, 1)

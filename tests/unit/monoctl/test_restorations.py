"""`monoctl delete`, `undelete` and `rollback`."""

from __future__ import annotations

import json
import os

import pytest
from google.protobuf.message import Message

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.testing.scripted.m8 import FINGERPRINT, VERSION, Attempt, ScriptedM8
from tests.unit.monoctl.as_alice import Run, ends
from tests.unit.monoctl.on_terminal import Typed, on_terminal

URI = "vault://app/db"
UNDELETE, ROLLBACK = ("undelete", "secret"), ("rollback", "secret", "--to", "1@x")


@pytest.mark.parametrize(
    ("words", "purpose", "outcome", "restored"),
    [
        (UNDELETE, upload_pb2.PURPOSE_UNDELETE, "UNDELETED", VERSION),
        (ROLLBACK, upload_pb2.PURPOSE_ROLLBACK, "ROLLED_BACK", "1@x"),
    ],
)
def test_what_is_there_again_is_printed(  # noqa: PLR0917 - fixtures and one case
    run: Run, m8: ScriptedM8, words: tuple[str, ...], purpose: upload_pb2.Purpose, outcome: str, restored: str
) -> None:
    done = ends(run(*words, URI), 0)
    assert done.stdout.splitlines()[-1].split() == [URI, outcome, VERSION, restored, FINGERPRINT]
    document = json.loads(run(*words, URI, "-o", "json").stdout)
    assert (document["outcome"], document["restored_version"]) == (outcome, restored)
    assert document["values"] == {"password": FINGERPRINT}
    request = m8.attempts[0].request
    assert (request.purpose, request.expect) == (purpose, upload_pb2.EXPECT_ANY)
    assert request.to_version == (restored if words is ROLLBACK else "")
    assert b"".join(m8.attempts[0].sealed) == b""


@pytest.fixture
def scripted() -> ScriptedM8:
    m8 = ScriptedM8()
    shown = [views_pb2.SecretVersion(uri=URI, upstream_version=each) for each in ("12@a", "2@b", "1@c", "1@d")]
    m8.answers[queries_pb2.ListSecretVersionsRequest] = queries_pb2.ListSecretVersionsResponse(versions=shown)
    return m8


def test_the_number_of_a_version_is_enough_if_there_is_one(run: Run, m8: ScriptedM8) -> None:
    for text, whole in (("2", "2@b"), ("2@b", "2@b"), ("3", "3"), ("2@z", "2@z")):
        assert run("rollback", "secret", URI, "--to", text).exit_code == 0
        assert m8.attempts[-1].request.to_version == whole
    asked = len(m8.attempts)
    several = run("rollback", "secret", URI, "--to", "1")
    assert (several.exit_code, len(m8.attempts)) == (2, asked)
    assert f"error: {URI}: 2 versions were called 1: 1@c, 1@d.\n" in several.stderr
    assert "1@c, 1@d" in several.stderr


@pytest.mark.parametrize("words", [UNDELETE, ROLLBACK], ids=["undelete", "rollback"])
def test_the_number_of_what_is_expected_is_enough(run: Run, m8: ScriptedM8, words: tuple[str, ...]) -> None:
    assert run(*words, URI, "--expect", "2").exit_code == 0
    assert m8.attempts[-1].request.expect_version == "2@b"


@pytest.mark.parametrize("words", [UNDELETE, ROLLBACK], ids=["undelete", "rollback"])
def test_what_is_expected_is_sent(run: Run, m8: ScriptedM8, words: tuple[str, ...]) -> None:
    assert run(*words, URI, "--expect", "1@x").exit_code == 0
    assert run(*words, URI, "--overwrite").exit_code == 0
    sent = [(attempt.request.expect, attempt.request.expect_version) for attempt in m8.attempts]
    assert sent == [(upload_pb2.EXPECT_VERSION, "1@x"), (upload_pb2.EXPECT_OVERWRITE, "")]
    assert run(*words, URI, "--expect", "1@x", "--overwrite").exit_code == 2


def test_only_a_rollback_can_expect_nothing(run: Run, m8: ScriptedM8) -> None:
    assert run(*UNDELETE, URI, "--expect", "absent").exit_code == 2
    assert m8.attempts == []
    assert run(*ROLLBACK, URI, "--expect", "absent").exit_code == 0
    assert m8.attempts[0].request.expect == upload_pb2.EXPECT_ABSENT


def test_a_version_that_can_be_none_is_refused_before_anything_is_asked(run: Run, m8: ScriptedM8) -> None:
    for text in ("", "a b", "x" * 257):
        assert run("rollback", "secret", URI, "--to", text).exit_code == 2
    assert run("rollback", "secret", URI).exit_code == 2
    assert m8.attempts == []


@pytest.mark.parametrize(
    ("words", "field", "said"),
    [(UNDELETE, "undeletable", "bring back what was deleted"), (ROLLBACK, "rollbackable", "write an earlier version")],
)
def test_a_store_that_cannot_is_not_asked(
    run: Run, m8: ScriptedM8, words: tuple[str, ...], field: str, said: str
) -> None:
    for reactor in m8.stores["vault"].reactors:
        reactor.capabilities.ClearField(field)
    ends(run(*words, URI), 3, said)
    assert m8.attempts == []


def test_a_rollback_to_another_version_is_no_success(run: Run, m8: ScriptedM8) -> None:
    fields = {"upstream_version": VERSION, "restored_version": "2@x"}
    m8.end = lambda attempt: m8.ended(attempt, attempt.receipt(upload_pb2.OUTCOME_ROLLED_BACK, **fields))
    ends(run(*ROLLBACK, URI), 9, "brings back another version than was asked")


def test_several_are_checked_before_the_first_is_undeleted(run: Run, m8: ScriptedM8) -> None:
    done = ends(run(*UNDELETE, URI, "nowhere://app/db", "-o", "json"), 4)
    assert [row["outcome"] for row in json.loads(done.stdout)] == ["NOT_TRIED", "FAILED"]
    assert m8.attempts == []


def test_some_undeleted_and_some_not_is_an_end_of_its_own(run: Run, m8: ScriptedM8) -> None:
    def end(attempt: Attempt) -> Message:
        missing = upload_pb2.REASON_NOT_FOUND
        other = str(attempt.request.uri) != URI
        return m8.ended(attempt, attempt.failure(missing), missing) if other else m8.ended(attempt, attempt.success())

    m8.end = end  # type: ignore[assignment]
    done = ends(run(*UNDELETE, URI, "vault://app/other", "-o", "json"), 16)
    assert [row["outcome"] for row in json.loads(done.stdout)] == ["UNDELETED", "FAILED"]


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

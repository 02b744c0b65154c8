"""Labels and days of expiry on the command line: `put`, `label secret` and `expire secret`."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from monoskope.api.gateway.v1 import commands_pb2, queries_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, options_pb2, upload_pb2
from monoskope.errors import UsageError
from monoskope.monoctl.input.request_options import parse_day, parse_edits, parse_labels
from monoskope.testing.scripted.m8 import VERSION, ScriptedM8
from tests.unit.monoctl.as_alice import Run, ends

URI = "vault://app/db"


class Noting(ScriptedM8):
    """Records edits, and shows one secret whose notes bob has edited."""

    def __init__(self) -> None:
        super().__init__()
        self.edits: list[events_pb2.NotesEdit] = []
        self.secret = views_pb2.Secret(
            uri=URI,
            labels=[options_pb2.Label(name="owner", value="anna")],
            notes_subject="bob",
            notes_changed_at_ms=1_700_000_000_000,
        )
        edit = events_pb2.NotesEdit(set_labels=self.secret.labels, remove_labels=["team"])
        edited = views_pb2.SecretVersion(uri=URI, subject="bob", recorded_at_ms=1_700_000_000_000, edit=edit)
        self.answers |= {
            commands_pb2.UpdateSecretNotesRequest: self.edited,
            queries_pb2.GetSecretRequest: queries_pb2.GetSecretResponse(secret=self.secret),
            queries_pb2.ListSecretVersionsRequest: queries_pb2.ListSecretVersionsResponse(versions=[edited]),
        }

    def edited(self, asked: commands_pb2.UpdateSecretNotesRequest) -> commands_pb2.UpdateSecretNotesResponse:
        assert asked.uri == URI
        self.edits.append(asked.edit)
        return commands_pb2.UpdateSecretNotesResponse(secret=self.secret)


@pytest.fixture
def scripted() -> Noting:
    return Noting()


@pytest.mark.parametrize(
    ("words", "notes"),
    [
        ([], ((), "", True, True)),
        (["--label", "a=b"], ((("a", "b"),), "", False, True)),
        (["--expires", "2027-01-31"], ((), "2027-01-31", True, False)),
        (["--clear-labels", "--no-expiry"], ((), "", False, False)),
        (["--clear-labels", "--expires", "2027-01-31"], ((), "2027-01-31", False, False)),
    ],
)
def test_a_put_keeps_what_is_not_named(run: Run, m8: Noting, words: list[str], notes: tuple[object, ...]) -> None:
    for command in (["put", "secret", URI, "--from-file", "a=-"], ["generate", "secret", URI, "a=hex"]):
        ends(run(*command, *words, stdin="x"), 0)
        request = m8.attempts[-1].request
        assert (request.labels, request.expires_on, request.keep_labels, request.keep_expires_on) == notes


@pytest.mark.parametrize(
    "words", [["--label", "a=b", "--clear-labels"], ["--expires", "9d", "--no-expiry"], ["--expires", ""]]
)
def test_keeping_and_clearing_exclude_each_other(run: Run, m8: Noting, words: list[str]) -> None:
    assert run("put", "secret", URI, "--from-file", "a=-", *words, stdin="x").exit_code == 2
    assert not m8.attempts


def test_labels_are_set_and_removed_as_kubectl_does(run: Run, m8: Noting) -> None:
    result = ends(run("label", "secret", "app/db", "owner=anna", "url=a=b", "team-", "empty="), 0)
    (edit,) = m8.edits
    assert {label.name: label.value for label in edit.set_labels} == {"owner": "anna", "url": "a=b", "empty": ""}
    assert list(edit.remove_labels) == ["team"]
    assert not m8.attempts
    assert result.stdout.splitlines()[1].split() == [URI, "owner=anna", "-", "bob"]
    assert "m8's word: no store signed them" in result.stderr
    document = json.loads(run("label", "secret", URI, "owner-", "-o", "json").stdout)
    assert (document["labels"], document["notes_edited_by"]) == ({"owner": "anna"}, "bob")


@pytest.mark.parametrize("words", [[], ["owner"], ["owner=a", "owner-"], ["owner=a", "owner=b"], ["Owner=a"], ["-"]])
def test_a_word_that_is_no_edit_is_refused(run: Run, m8: Noting, words: list[str]) -> None:
    assert run("label", "secret", URI, *words).exit_code == 2
    assert not m8.edits


def test_a_day_is_noted_and_removed(run: Run, m8: Noting) -> None:
    assert run("expire", "secret", URI, "2027-01-31").exit_code == 0
    assert run("expire", "secret", URI, "--never").exit_code == 0
    assert [(edit.expires_on, edit.remove_expires_on) for edit in m8.edits] == [("2027-01-31", False), ("", True)]
    for words in ([], ["2027-01-31", "--never"], ["soon"]):
        assert run("expire", "secret", URI, *words).exit_code == 2


def test_who_edited_is_shown_with_the_secret_and_in_its_past(run: Run) -> None:
    header, row, *_ = run("get", "secret", URI).stdout.splitlines()
    assert ("EDITED BY" in header, "bob" in row) == (True, True)
    result = run("get", "secret", URI, "--versions")
    header, row = result.stdout.splitlines()
    assert "EDITED" in row
    assert row.endswith("labels owner=anna team-")
    assert "no store signs" in result.stderr
    assert "warning" not in result.stderr
    (document,) = json.loads(run("get", "secret", URI, "--versions", "-o", "json").stdout)
    assert (document["outcome"], document["proven"]) == ("EDITED", False)


def test_the_number_that_the_engine_shows_is_an_expectation(run: Run, m8: Noting) -> None:
    versions = [views_pb2.SecretVersion(uri=URI, upstream_version=VERSION)]
    answer = queries_pb2.ListSecretVersionsResponse(versions=versions)
    before = m8.more
    m8.more = lambda method, message: answer if method == "ListSecretVersions" else before(method, message)  # type: ignore[method-assign]
    ends(run("put", "secret", URI, "--from-file", "a=-", "--expect", "7", stdin="x"), 0)
    request = m8.attempts[0].request
    assert (request.expect, request.expect_version) == (upload_pb2.EXPECT_VERSION, VERSION)


def test_edits_are_names_with_values_or_none() -> None:
    assert parse_edits(("a=b", "c-", "d=e-", "f=")) == {"a": "b", "c": None, "d": "e-", "f": ""}
    with pytest.raises(UsageError):
        parse_edits(("a",))


def test_a_day_is_itself() -> None:
    assert parse_day("2027-01-31") == "2027-01-31"
    assert parse_day("2027-01-31", more=1) == "2027-02-01"
    with pytest.raises(UsageError):
        parse_day("9999-12-31", more=1)


def test_a_number_of_days_counts_from_today() -> None:
    before = dt.datetime.now(dt.UTC).date()
    found = dt.date.fromisoformat(parse_day("30d"))
    after = dt.datetime.now(dt.UTC).date()
    assert before <= found - dt.timedelta(days=30) <= after


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "-1d", "30w", "2027-02-30", "20270131", "9999-12-32", "999999d"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_day(text)


def test_labels_are_names_and_values() -> None:
    assert parse_labels(("owner=team-a", "url=a=b", "empty=")) == {"owner": "team-a", "url": "a=b", "empty": ""}


@pytest.mark.parametrize("texts", [("owner",), ("owner=a", "owner=b")])
def test_labels_that_are_not_names_and_values_are_refused(texts: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        parse_labels(texts)

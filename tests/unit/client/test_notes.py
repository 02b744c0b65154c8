"""What the SDK asks of labels and day of expiry."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from monoskope.api.gateway.v1 import commands_pb2, queries_pb2, views_pb2
from monoskope.api.secrets.v1 import options_pb2, upload_pb2
from monoskope.client import Client
from monoskope.client.purposes import typed
from monoskope.errors import ConflictError, NotFoundError, UsageError
from monoskope.protocol.identity import ProofError
from monoskope.protocol.request import Request
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.client import client_for, pinned
from monoskope.testing.scripted.m8 import ScriptedM8

URI = "vault://app/db"
VALUES = {"password": b"correct horse"}
SEVEN, EIGHT, SEVEN_BEFORE = "7@2026-03-01T00:00:00Z", "8@2026-04-01T00:00:00Z", "7@2025-01-01T00:00:00Z"


class Noting(ScriptedM8):
    """Knows one secret with notes."""

    def __init__(self) -> None:
        super().__init__()
        label = options_pb2.Label(name="owner", value="anna")
        self.secret = views_pb2.Secret(uri=URI, labels=[label], expires_on="2027-01-31", upstream_version=EIGHT)
        self.versions = [EIGHT, SEVEN]
        listed = [self.secret, views_pb2.Secret(uri="vault://app/x")]  # as an m8 that ignores the filter
        self.answers |= {
            queries_pb2.GetSecretRequest: self.found,
            queries_pb2.ListSecretVersionsRequest: lambda _: queries_pb2.ListSecretVersionsResponse(
                versions=[views_pb2.SecretVersion(uri=URI, upstream_version=version) for version in self.versions]
            ),
            queries_pb2.ListSecretsRequest: queries_pb2.ListSecretsResponse(secrets=listed),
            commands_pb2.UpdateSecretNotesRequest: lambda _: commands_pb2.UpdateSecretNotesResponse(secret=self.secret),
        }

    def found(self, asked: queries_pb2.GetSecretRequest) -> queries_pb2.GetSecretResponse:
        if asked.uri != URI:
            raise NotFoundError("no such secret.")
        return queries_pb2.GetSecretResponse(secret=self.secret)

    @property
    def edits(self) -> list[commands_pb2.UpdateSecretNotesRequest]:
        return [each for each in self.asked if isinstance(each, commands_pb2.UpdateSecretNotesRequest)]

    @property
    def request(self) -> Request:
        return self.attempts[-1].request


@pytest.fixture
async def m8(tmp_path: Path) -> AsyncIterator[Noting]:
    async with Noting().serving(tmp_path) as scripted:
        yield scripted


@pytest.fixture
async def client(m8: Noting, tmp_path: Path) -> AsyncIterator[Client]:
    m8.add_store("local", Identity(), kind="age")
    pinned(m8, tmp_path)
    async with client_for(m8, tmp_path) as opened:
        yield opened


def said(request: Request) -> tuple[object, ...]:
    return request.labels, request.expires_on, request.keep_labels, request.keep_expires_on


ASKED: list[tuple[dict[str, Any], tuple[object, ...]]] = [
    ({}, ((), "", True, True)),
    ({"labels": {}, "expires_on": ""}, ((), "", False, False)),
    ({"labels": {"a": "b"}}, ((("a", "b"),), "", False, True)),
    ({"expires_on": dt.date(2028, 1, 1)}, ((), "2028-01-01", True, False)),
]


@pytest.mark.parametrize(("notes", "asked"), ASKED)
async def test_what_is_left_out_is_kept_and_what_is_empty_is_cleared(
    client: Client, m8: Noting, notes: dict[str, Any], asked: tuple[object, ...]
) -> None:
    await client.put_secret(URI, VALUES, **notes)
    assert said(m8.request) == asked
    await client.generate_secret(URI, {"password": "password"}, **notes)
    assert said(m8.request) == asked
    assert m8.count("GetSecret") == 0


async def test_a_copy_asks_for_keeping(client: Client, m8: Noting) -> None:
    m8.end = lambda attempt: m8.ended(attempt, attempt.failure(upload_pb2.REASON_CONFLICT))
    with pytest.raises(ConflictError):
        await client.copy_secret(URI, "local://app/db")
    assert (m8.request.keep_labels, m8.request.keep_expires_on) == (True, True)


async def test_an_edit_names_what_changes_alone(client: Client, m8: Noting) -> None:
    assert await client.edit_notes("app/db", {"owner": "bob", "team": None}, expires_on="") == m8.secret
    await client.edit_notes(URI, expires_on=dt.date(2028, 1, 1))
    first, second = m8.edits
    assert (first.uri, first.edit.set_labels[0].value, list(first.edit.remove_labels)) == (URI, "bob", ["team"])
    assert (first.edit.expires_on, first.edit.remove_expires_on) == ("", True)
    assert (second.edit.expires_on, second.edit.remove_expires_on) == ("2028-01-01", False)
    with pytest.raises(UsageError):
        await client.edit_notes(URI)
    m8.secret.uri = "vault://app/other"
    with pytest.raises(ProofError):
        await client.edit_notes(URI, {"a": "b"})


async def test_an_m8_that_ignores_a_label_filter_widens_nothing(client: Client) -> None:
    assert [view.uri async for view in client.queries.secrets(labels={"owner": "anna"})] == [URI]
    assert [view.uri async for view in client.queries.secrets(labels={"owner": "bob"})] == []


async def test_a_plain_number_is_the_version_that_the_engine_shows_under_it(client: Client, m8: Noting) -> None:
    for given, named in (("7", SEVEN), ("8", EIGHT), (SEVEN, SEVEN), ("9", "9"), ("abc", "abc")):
        await client.put_secret(URI, VALUES, expect=given)
        assert m8.request.expect_version == named
    await client.delete_secret(URI, expect="8")
    assert m8.request.expect_version == EIGHT
    await client.patch_secret(URI, VALUES, expect="8")
    assert m8.request.expect_version == EIGHT
    await client.generate_secret(URI, {"a": "hex"}, expect="8")
    assert m8.request.expect_version == EIGHT


async def test_a_number_that_two_versions_had_is_refused_before_anything_is_sent(client: Client, m8: Noting) -> None:
    m8.versions = [SEVEN, SEVEN_BEFORE]
    with pytest.raises(UsageError, match="2 versions were called 7"):
        await client.put_secret(URI, VALUES, expect="7")
    assert not m8.attempts


async def test_a_conflict_says_which_version_the_store_signed_to_be_there(client: Client, m8: Noting) -> None:
    failed, conflict = upload_pb2.OUTCOME_FAILED, upload_pb2.REASON_CONFLICT
    m8.end = lambda attempt: m8.ended(attempt, attempt.receipt(failed, reason=conflict, upstream_version=EIGHT))
    with pytest.raises(ConflictError, match=f"Version {EIGHT} is there now"):
        await client.put_secret(URI, VALUES, expect="7")


@pytest.mark.parametrize(
    ("version", "shown"),
    [
        (SEVEN, "7"),
        ("12", "12"),
        ("0f8fad5b-d9cb-469f-a165-70867728950e@AbCdEf", "0f8fad5b-d9cb-469f-a165-70867728950e"),
        ("seen@17-ab", "seen@17-ab"),
        ("", ""),
    ],
)
def test_a_version_is_shown_as_its_engine_shows_it(version: str, shown: str) -> None:
    assert typed(version) == shown

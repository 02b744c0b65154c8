"""What the client sends for each purpose, what it refuses before that, and what it says when it cannot know the end.

An m8 that lies is `tests/lies`: what a store's own identity signs falsely, `tests/lies/signed`.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from pathlib import Path
from typing import Any

import pytest

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Client, Expect, Known
from monoskope.client.known.stores import KnownStores
from monoskope.client.purposes.copy import put_copy
from monoskope.client.walk.pace import AT_ONCE
from monoskope.errors import (
    Error,
    IdentityChangedError,
    NotAgreedError,
    OutcomeUnknownError,
    RateLimitedError,
    RefusedError,
    UsageError,
)
from monoskope.protocol.recipes import Recipe
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.client import client_for, settings_for, token, was_received
from monoskope.testing.scripted.m8 import FINGERPRINT, PUBLIC, VERSION, Attempt
from monoskope.uri import SecretUri
from tests.lies.signed.grants import GARBAGE
from tests.protocol.copied import DESTINATION
from tests.protocol.purposes import PURPOSES, URI, VALUES, ShowingM8
from tests.support.clocks import Clock, clocked

pytestmark = pytest.mark.usefixtures("known")

OTHER = "vault://app/other"
WANTED = {"password": "password:32", "key": "ed25519"}
SEALED_BYTES = 1_120 + 512 + 16
_put = PURPOSES["put"].walk


@pytest.fixture
async def client(m8: ShowingM8, known: KnownStores) -> Any:
    async with client_for(m8, known.path.parent) as found:
        yield found


def only(m8: ShowingM8) -> Attempt:
    (attempt,) = m8.attempts
    return attempt


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_put_sends_its_value_sealed_whichever_way_the_key_comes(
    m8: ShowingM8, client: Client, *, at_once: bool
) -> None:
    m8.waits = at_once
    assert (await client.put_secret(URI, VALUES, timeout=60)).outcome == "UPLOADED"
    assert m8.count("GetSecretUploadKey") == (0 if at_once else 1)
    assert [len(sealed) for sealed in only(m8).sealed] == [SEALED_BYTES]
    assert not was_received(m8, VALUES["password"])


async def test_a_deletion_sends_nothing_sealed_and_what_was_asked(m8: ShowingM8, client: Client) -> None:
    deletion = await client.delete_secret(URI, expect="7@x", destroy=True, timeout=60)
    request = only(m8).request
    assert (deletion.deleted_version, deletion.destroyed) == (VERSION, True)
    assert (request.purpose, request.destroy) == (upload_pb2.PURPOSE_DELETE, True)
    assert (request.expect, request.expect_version) == (upload_pb2.EXPECT_VERSION, "7@x")
    assert only(m8).sealed == [b""]


async def test_a_generation_sends_recipes_and_nothing_sealed(m8: ShowingM8, client: Client) -> None:
    labels, until = {"owner": "anna"}, "2027-01-31"
    made = await client.generate_secret(URI, WANTED, expect=Expect.ABSENT, labels=labels, expires_on=until)
    request = only(m8).request
    assert (request.purpose, request.expect) == (upload_pb2.PURPOSE_GENERATE, upload_pb2.EXPECT_ABSENT)
    assert request.recipes == (Recipe("key", "ed25519"), Recipe("password", "password", 32))
    assert (request.labels, request.expires_on) == ((("owner", "anna"),), until)
    assert (made.hash, made.public_values, made.upstream_version) == (FINGERPRINT, {"key": PUBLIC}, VERSION)
    assert only(m8).sealed == [b""]


async def test_a_patch_sends_the_set_keys_sealed_and_the_removed_ones_by_name(m8: ShowingM8, client: Client) -> None:
    result = await client.patch_secret(URI, VALUES, remove=("old", "a"), expect="7@x", timeout=60)
    request = only(m8).request
    assert (result.outcome, result.upstream_version, result.hash) == ("UPLOADED", VERSION, FINGERPRINT)
    assert (request.purpose, request.remove_keys) == (upload_pb2.PURPOSE_PATCH, ("a", "old"))
    assert (request.expect, request.expect_version) == (upload_pb2.EXPECT_VERSION, "7@x")
    assert not was_received(m8, VALUES["password"])
    assert len(only(m8).sealed[0]) == SEALED_BYTES


async def test_a_patch_that_only_removes_seals_nothing(m8: ShowingM8, client: Client) -> None:
    await client.patch_secret(URI, {}, remove=("old",), timeout=60)
    assert only(m8).sealed == [b""]


async def test_a_verification_sends_nothing_and_says_what_it_compared_with(m8: ShowingM8, client: Client) -> None:
    found = await client.verify_secret(URI, timeout=60)
    assert (found.outcome, found.in_sync, found.upstream_version, found.newest) == ("IN_SYNC", True, VERSION, True)
    assert (only(m8).request.purpose, only(m8).sealed) == (upload_pb2.PURPOSE_VERIFY, [b""])


async def test_an_import_sends_nothing_and_shows_the_hash(m8: ShowingM8, client: Client) -> None:
    found = await client.import_secret(URI, timeout=60)
    assert (found.hash, found.values, found.upstream_version) == (FINGERPRINT, {"password": FINGERPRINT}, VERSION)
    assert (only(m8).request.purpose, only(m8).sealed) == (upload_pb2.PURPOSE_IMPORT, [b""])


async def test_a_listing_sends_nothing_and_yields_each_name(m8: ShowingM8, client: Client) -> None:
    names = [name async for name in client.list_upstream("app/")]
    assert [(name.uri, name.known, name.is_folder) for name in names] == [
        ("vault://app/db", Known.IMPORTABLE, False),
        ("vault://app/more/", Known.FOLDER, True),
    ]
    assert (only(m8).request.purpose, only(m8).sealed) == (upload_pb2.PURPOSE_LIST, [b""])


async def test_a_copy_sends_nothing_sealed_and_shows_what_both_stores_signed(m8: ShowingM8, client: Client) -> None:
    done = await client.copy_secret(URI, DESTINATION, expect=Expect.ABSENT, timeout=60)
    request = only(m8).request
    assert (str(request.uri), str(request.destination)) == (URI, DESTINATION)
    assert (request.purpose, request.expect) == (upload_pb2.PURPOSE_COPY, upload_pb2.EXPECT_ABSENT)
    assert (done.outcome, done.hash) == ("UPLOADED", FINGERPRINT)
    assert (done.upstream_version, done.destination_version) == (VERSION, "w1")
    assert only(m8).sealed == [b""]


PATCH = {"values": VALUES, "remove": ("old",), "expect": Expect.ANY}
MALFORMED: list[tuple[str, dict[str, Any]]] = [
    ("delete_secret", {"expect": Expect.ABSENT}),
    *(
        ("generate_secret", {"recipes": recipes})
        for recipes in ({}, {"a": "dsa"}, {"a": "hex:7"}, {"..a": "hex"}, {"a": "hex:x"})
    ),
    ("patch_secret", {**PATCH, "expect": Expect.ABSENT}),
    ("patch_secret", {**PATCH, "expect": "a b"}),
    ("patch_secret", {**PATCH, "values": {}, "remove": ()}),
    ("patch_secret", {**PATCH, "values": {"a/b": b""}}),
    *(("patch_secret", {**PATCH, "remove": keys}) for keys in (["password"], ["a/b"], [f"k{at}" for at in range(65)])),
    ("copy_secret", {"destination": URI}),
    *(
        ("copy_secret", {"destination": OTHER, "keys": keys})
        for keys in (["..a"], [""], [f"k{at}" for at in range(65)])
    ),
    ("copy_secret", {"destination": "local://../x"}),
    ("copy_secret", {"destination": DESTINATION, "source_version": "a b"}),
]


@pytest.mark.parametrize(("method", "fields"), MALFORMED)
async def test_what_cannot_be_done_is_refused_before_a_key_is_asked_for(
    m8: ShowingM8, client: Client, method: str, fields: dict[str, Any]
) -> None:
    with pytest.raises(UsageError):
        await getattr(client, method)(URI, **fields)
    assert not m8.attempts


async def test_an_identity_that_is_known_by_another_name_gets_nothing(m8: ShowingM8, client: Client) -> None:
    m8.add_store("third", m8.identity, kind="age")
    with pytest.raises(IdentityChangedError, match=r"'vault'.*'third'|'third'.*'vault'"):
        await client.put_secret("third://app/db", VALUES)
    assert not m8.attempts


async def test_first_contact_without_anybody_to_ask_gets_nothing(
    m8: ShowingM8, client: Client, known: KnownStores
) -> None:
    stranger = Identity()
    m8.add_store("third", stranger, kind="age")
    with pytest.raises(NotAgreedError, match="first contact"):
        await client.put_secret("third://app/db", VALUES)
    assert not m8.attempts
    assert known.identity(m8.server, "third") is None


async def test_the_message_says_until_when_it_could_still_be_written(m8: ShowingM8, client: Client) -> None:
    m8.end = lambda attempt: m8.ended(attempt, None, upload_pb2.REASON_KEY_LOST)
    before, second = dt.datetime.now().astimezone(), dt.timedelta(seconds=1)
    with pytest.raises(OutcomeUnknownError) as caught:
        await _put(client)
    lifetime = dt.timedelta(seconds=only(m8).grant.lifetime_s)
    found = re.search(r"could still be written until (\S+ \S+)\.", caught.value.message)
    assert found is not None
    until = dt.datetime.fromisoformat(found[1])
    assert before + lifetime - second <= until <= dt.datetime.now().astimezone() + lifetime + 2 * second


async def test_of_two_secrets_the_other_one_keeps_its_success(m8: ShowingM8, client: Client) -> None:
    m8.failing["RequestUploadSecret"] = [GARBAGE]
    results = await client.put_secrets([URI, OTHER], VALUES, timeout=60)
    assert [type(one) for one in results if isinstance(one, Error)] == [OutcomeUnknownError]


async def test_a_defect_after_sending_leaves_it_unknown(
    m8: ShowingM8, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("monoskope.client.walk.trust.Trust.open_receipt", broken)
    with pytest.raises(OutcomeUnknownError, match="ZeroDivisionError"):
        await _put(client)


async def test_limits_for_ever_end_with_the_time_and_are_not_met_by_hammering(m8: ShowingM8, tmp_path: Path) -> None:
    ended, limited = views_pb2.UPLOAD_STATE_ENDED, upload_pb2.REASON_RATE_LIMITED
    m8.key_answer = lambda _: queries_pb2.GetSecretUploadKeyResponse(state=ended, reason=limited)
    clock = Clock(time=0.0)
    # The time passes by this client's pauses alone: how many calls a machine makes in it does not count.
    kind = clocked(Client, clock)
    async with kind(settings_for(m8, tmp_path), system_known_stores=tmp_path / "no_known_stores") as client:
        with pytest.raises(RateLimitedError, match=r"takes no more requests.*nothing was sent"):
            await client.put_secret(URI, VALUES, timeout=100)
    # The first pause is a second, and the longest 16.
    assert 6 < len(m8.attempts) < 20
    assert clock.time < 100
    assert m8.count("RequestUploadSecret") == 0


async def test_what_is_larger_than_the_grant_allows_is_not_sent_whatever_m8_shows_of_the_store(
    m8: ShowingM8, client: Client
) -> None:
    m8.stores["vault"].reactors[0].capabilities.max_plaintext = 1_048_576
    with pytest.raises(RefusedError, match="at most 131,072"):
        await client.put_secret(URI, {"password": bytes(140_000)})
    assert m8.count("RequestUploadSecret") == 0


async def test_an_unsigned_put_is_sent_however_long_the_check_of_the_log_took(
    m8: ShowingM8, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(time=0.0)

    async def slow(*_: object) -> None:
        clock.time += 400  # a key lives for 300 s, which is the reactor's to say

    monkeypatch.setattr("monoskope.client.connection.Connection.fits", slow)
    kind = clocked(Client, clock)
    async with kind(settings_for(m8, tmp_path), system_known_stores=tmp_path / "no_known_stores") as client:
        await client.put_secret(URI, VALUES, timeout=1_000)
    assert m8.count("RequestUploadSecret") == 1


async def test_what_ends_a_request_after_a_limit_is_told_and_not_the_limit(m8: ShowingM8, tmp_path: Path) -> None:
    reasons = [upload_pb2.REASON_UPSTREAM_REFUSED, upload_pb2.REASON_RATE_LIMITED]
    m8.key_answer = lambda _: queries_pb2.GetSecretUploadKeyResponse(
        state=views_pb2.UPLOAD_STATE_ENDED, reason=reasons.pop()
    )
    kind = clocked(Client, Clock(time=0.0))
    async with kind(settings_for(m8, tmp_path), system_known_stores=tmp_path / "no_known_stores") as client:
        with pytest.raises(RefusedError):
            await client.put_secret(URI, VALUES, timeout=100)
    assert reasons == []


@pytest.mark.parametrize("reason", [upload_pb2.REASON_RATE_LIMITED, upload_pb2.REASON_KEY_LOST])
async def test_the_put_of_a_copy_is_one_attempt_whatever_ends_it(m8: ShowingM8, reason: upload_pb2.Reason) -> None:
    m8.key_answer = lambda _: queries_pb2.GetSecretUploadKeyResponse(state=views_pb2.UPLOAD_STATE_ENDED, reason=reason)
    with pytest.raises(Error):
        await put_copy(
            SecretUri.parse(URI),
            VALUES,
            servers=[m8.server],
            ca_file=m8.ca_file,
            token=token("alice"),
            identity=m8.identity.shown,
            request_id=bytes(16),
            expect=Expect.ANY,
            key_within_s=100,
            timeout_s=100,
        )
    assert m8.count("RequestSecretUploadKey") == 1


async def test_requests_to_a_store_that_does_not_answer_delay_no_other_store(m8: ShowingM8, client: Client) -> None:
    unanswered = queries_pb2.GetSecretUploadKeyResponse(state=views_pb2.UPLOAD_STATE_REQUESTED)
    m8.key_answer = lambda attempt: unanswered if attempt.request.uri.store == "local" else m8.honest_key(attempt)
    puts = [client.put_secret(f"local://app/s{number}", VALUES, timeout=600) for number in range(2 * AT_ONCE)]
    waiting = [asyncio.create_task(put) for put in puts]
    await client.put_secret(URI, VALUES)
    assert not [task for task in waiting if task.done()]
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_copy_onto_itself_says_so_however_it_is_named(m8: ShowingM8, client: Client) -> None:
    for name in (URI, URI.removeprefix("vault://")):
        with pytest.raises(UsageError, match="source and destination are one secret"):
            await client.copy_secret(URI, name, keys=["password"])
    assert not m8.attempts


async def test_a_copy_asks_for_the_keys_and_the_version_that_are_named(m8: ShowingM8, client: Client) -> None:
    m8.key_answer = lambda _: queries_pb2.GetSecretUploadKeyResponse(
        state=views_pb2.UPLOAD_STATE_ENDED, reason=upload_pb2.REASON_UPSTREAM_REFUSED
    )
    asked: tuple[tuple[list[str], str, str], ...]
    asked = ((["user", "a", "user"], "v7", DESTINATION), ([], "", DESTINATION), ([], "", OTHER))
    for keys, version, destination in asked:
        with pytest.raises(RefusedError):
            await client.copy_secret(URI, destination, keys=keys, source_version=version, timeout=60)
    assert [(one.request.keys, one.request.source_version) for one in m8.attempts] == [
        (("a", "user"), "v7"),
        ((), ""),
        ((), ""),
    ]
    assert str(m8.attempts[-1].request.destination) == OTHER


@pytest.mark.parametrize(("keys", "destination"), [(["user"], DESTINATION), ([], OTHER)], ids=["keys", "one store"])
async def test_reactors_that_cannot_copy_so_are_not_asked(
    m8: ShowingM8, client: Client, keys: list[str], destination: str
) -> None:
    m8.stores["vault"].reactors[0].capabilities.copied_keys = False
    with pytest.raises(RefusedError, match="cannot copy single keys"):
        await client.copy_secret(URI, destination, keys=keys)
    assert not m8.attempts

"""What each purpose sends, and the lies that can be told about it alone. The lies about every end are elsewhere.

See `test_hostile_m8_ends` for those, and `test_hostile_m8_copies` for what the destination of a copy signs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.client import Deletion, Expect, Generated, Import, Known, PutResult, Verification
from monoskope.client.known_stores import KnownStores
from monoskope.errors import ConflictError, IdentityChangedError, OutcomeUnknownError, RefusedError, UsageError
from monoskope.protocol.identity import RECEIPT, ProofError
from monoskope.protocol.payload import Recipe
from monoskope.protocol.receipt import make_receipt, sealed_digest
from monoskope.testing.scripted.client import client_for
from monoskope.testing.scripted.m8 import FINGERPRINT, PUBLIC, VERSION, Attempt
from tests.protocol.purposes import NEWEST, URI, VALUES, ShowingM8, in_sync

WANTED = {"password": "password:32", "key": "ed25519"}


async def delete(
    m8: ShowingM8, known: KnownStores, *, expect: Expect | str = Expect.ANY, destroy: bool = False
) -> Deletion:
    async with client_for(m8, known.path.parent) as client:
        return await client.delete_secret(URI, expect=expect, destroy=destroy, timeout=60)


async def test_a_deletion_sends_nothing_sealed_and_what_was_asked(m8: ShowingM8, known: KnownStores) -> None:
    deletion = await delete(m8, known, expect="7@x", destroy=True)
    (attempt,) = m8.attempts
    request = attempt.request
    assert (deletion.deleted_version, deletion.destroyed) == (VERSION, True)
    assert (request.purpose, request.destroy) == (upload_pb2.PURPOSE_DELETE, True)
    assert (request.expect, request.expect_version) == (upload_pb2.EXPECT_VERSION, "7@x")
    assert b"".join(attempt.sealed) == b""


async def test_what_is_absent_cannot_be_deleted(m8: ShowingM8, known: KnownStores) -> None:
    with pytest.raises(UsageError):
        await delete(m8, known, expect=Expect.ABSENT)
    assert not m8.attempts


async def generate(m8: ShowingM8, known: KnownStores, **fields: Any) -> Generated:
    async with client_for(m8, known.path.parent) as client:
        return await client.generate_secret(URI, **{"recipes": WANTED, "timeout": 60, **fields})


async def test_a_generation_sends_recipes_and_nothing_sealed(m8: ShowingM8, known: KnownStores) -> None:
    made = await generate(m8, known, expect=Expect.ABSENT, labels={"owner": "anna"}, expires_on="2027-01-31")
    (attempt,) = m8.attempts
    request = attempt.request
    assert (request.purpose, request.expect) == (upload_pb2.PURPOSE_GENERATE, upload_pb2.EXPECT_ABSENT)
    assert request.recipes == (Recipe("key", "ed25519"), Recipe("password", "password", 32))
    assert (request.labels, request.expires_on) == ((("owner", "anna"),), "2027-01-31")
    assert b"".join(attempt.sealed) == b""
    assert (made.hash, made.public_values, made.upstream_version) == (FINGERPRINT, {"key": PUBLIC}, VERSION)


async def test_a_public_half_of_m8s_own_is_not_shown(m8: ShowingM8, known: KnownStores) -> None:
    """It would be trusted by whoever is given it, and its private half is m8's."""

    def forged(attempt: Any) -> Any:
        signed = attempt.success()
        message = upload_pb2.Receipt.FromString(signed.content)
        message.public_values[0].value = PUBLIC.replace("MCow", "MCox")
        signed.content = message.SerializeToString(deterministic=True)
        return m8.ended(attempt, signed)

    m8.end = forged
    with pytest.raises(OutcomeUnknownError, match="proves nothing"):
        await generate(m8, known)


@pytest.mark.parametrize("recipes", [{}, {"a": "dsa"}, {"a": "hex:7"}, {"..a": "hex"}, {"a": "hex:x"}])
async def test_what_cannot_be_made_is_refused_before_anything_is_sent(
    m8: ShowingM8, known: KnownStores, recipes: dict[str, str]
) -> None:
    with pytest.raises(UsageError):
        await generate(m8, known, recipes=recipes)
    assert not m8.attempts


async def patch(
    m8: ShowingM8,
    known: KnownStores,
    *,
    values: Mapping[str, bytes] | None = None,
    remove: Iterable[str] = ("old", "a"),
    expect: Expect | str = Expect.ANY,
) -> PutResult:
    async with client_for(m8, known.path.parent) as client:
        return await client.patch_secret(
            URI, VALUES if values is None else values, remove=remove, expect=expect, timeout=20
        )


async def test_a_patch_sends_the_set_keys_sealed_and_the_removed_ones_by_name(
    m8: ShowingM8, known: KnownStores
) -> None:
    result = await patch(m8, known, expect="7@x")
    (attempt,) = m8.attempts
    request = attempt.request
    assert (result.outcome, result.upstream_version, result.hash) == ("UPLOADED", VERSION, FINGERPRINT)
    assert (request.purpose, request.remove_keys) == (upload_pb2.PURPOSE_PATCH, ("a", "old"))
    assert (request.expect, request.expect_version) == (upload_pb2.EXPECT_VERSION, "7@x")
    assert all(VALUES["password"] not in message for message in m8.received)
    assert len(attempt.sealed[0]) == 1_120 + 512 + 16


async def test_a_patch_that_only_removes_seals_nothing(m8: ShowingM8, known: KnownStores) -> None:
    await patch(m8, known, values={})
    assert m8.attempts[0].sealed == [b""]


async def test_a_reactor_that_was_given_no_sealed_keys_did_not_do_what_was_asked(
    m8: ShowingM8, known: KnownStores
) -> None:
    """m8 drops the sealed bytes of a patch that also removes: the reactor's honest receipt is about less."""

    def stripped(attempt: Attempt) -> upload_pb2.Signed:
        receipt = make_receipt(
            grant=attempt.grant,
            sealed_sha256=sealed_digest(b"", b""),
            outcome=upload_pb2.OUTCOME_UPLOADED,
            upstream_version=VERSION,
        )
        return attempt.signer.sign(RECEIPT, receipt.content)

    m8.end = lambda attempt: m8.ended(attempt, stripped(attempt))
    with pytest.raises(OutcomeUnknownError, match="other sealed bytes"):
        await patch(m8, known)


async def test_a_grant_that_removes_other_keys_is_no_grant(m8: ShowingM8, known: KnownStores) -> None:
    await patch(m8, known, remove=["other"])
    other = m8.attempts.pop()
    m8.key_answer = lambda _: m8.honest_key(other)
    with pytest.raises(IdentityChangedError, match="another request"):
        await patch(m8, known)
    assert not any(attempt.sealed for attempt in m8.attempts)


async def test_a_signed_conflict_of_a_patch_says_that_a_key_may_be_missing(m8: ShowingM8, known: KnownStores) -> None:
    reason = upload_pb2.REASON_CONFLICT
    m8.end = lambda attempt: m8.ended(attempt, attempt.failure(reason), reason)
    with pytest.raises(ConflictError, match="lacks a key to remove"):
        await patch(m8, known)


async def test_a_store_that_cannot_patch_is_asked_for_no_key(m8: ShowingM8, known: KnownStores) -> None:
    m8.stores["vault"].reactors[0].capabilities.CopyFrom(events_pb2.StoreCapabilities(max_plaintext=131_072))
    with pytest.raises(RefusedError, match="cannot change some keys"):
        await patch(m8, known)
    assert not m8.attempts


@pytest.mark.parametrize(
    "fields",
    [
        {"expect": Expect.ABSENT},
        {"expect": "a b"},
        {"values": {}, "remove": ()},
        {"remove": ["password"]},
        {"remove": ["a/b"]},
        {"values": {"a/b": b""}},
        {"remove": [f"k{number}" for number in range(65)]},
    ],
)
async def test_an_invalid_patch_is_refused_before_any_call(
    m8: ShowingM8, known: KnownStores, fields: dict[str, object]
) -> None:
    with pytest.raises(UsageError):
        await patch(m8, known, **fields)  # type: ignore[arg-type]
    assert not m8.calls


async def verify(m8: ShowingM8, known: KnownStores) -> Verification:
    async with client_for(m8, known.path.parent) as client:
        return await client.verify_secret(URI, timeout=60)


async def adopt(m8: ShowingM8, known: KnownStores) -> Import:
    async with client_for(m8, known.path.parent) as client:
        return await client.import_secret(URI, timeout=60)


async def test_a_verification_sends_nothing_and_says_what_it_compared_with(m8: ShowingM8, known: KnownStores) -> None:
    found = await verify(m8, known)
    (attempt,) = m8.attempts
    assert (found.outcome, found.in_sync, found.upstream_version, found.newest) == ("IN_SYNC", True, VERSION, True)
    assert attempt.request.purpose == upload_pb2.PURPOSE_VERIFY
    assert b"".join(attempt.sealed) == b""


@pytest.mark.parametrize("outcome", [upload_pb2.OUTCOME_DRIFTED, upload_pb2.OUTCOME_GONE])
async def test_drift_is_an_answer(m8: ShowingM8, known: KnownStores, outcome: upload_pb2.Outcome) -> None:
    version = "8@x" if outcome == upload_pb2.OUTCOME_DRIFTED else ""
    digest = hashlib.sha256(NEWEST).digest()
    m8.end = lambda attempt: m8.ended(
        attempt, attempt.receipt(outcome, upstream_version=version, verified_sha256=digest)
    )
    found = await verify(m8, known)
    assert (found.in_sync, found.upstream_version) == (False, version)


async def test_a_reactor_that_was_handed_an_older_receipt_than_is_shown_proves_nothing(
    m8: ShowingM8, known: KnownStores
) -> None:
    m8.end = lambda attempt: m8.ended(attempt, in_sync(attempt, b"older"))
    with pytest.raises(ProofError, match="another receipt"):
        await verify(m8, known)


async def test_a_put_meanwhile_is_no_lie(m8: ShowingM8, known: KnownStores) -> None:
    m8.shown = [b"before", NEWEST]
    assert (await verify(m8, known)).newest is True


async def test_who_may_see_no_receipt_is_told_that_nothing_was_checked(m8: ShowingM8, known: KnownStores) -> None:
    m8.shown = [None]
    assert (await verify(m8, known)).newest is None


async def test_an_import_sends_nothing_and_shows_the_hash(m8: ShowingM8, known: KnownStores) -> None:
    found = await adopt(m8, known)
    (attempt,) = m8.attempts
    assert (found.hash, found.values, found.upstream_version) == (FINGERPRINT, {"password": FINGERPRINT}, VERSION)
    assert attempt.request.purpose == upload_pb2.PURPOSE_IMPORT
    assert b"".join(attempt.sealed) == b""


async def test_a_listing_sends_nothing_and_yields_each_name(m8: ShowingM8, known: KnownStores) -> None:
    async with client_for(m8, known.path.parent) as client:
        names = [name async for name in client.list_upstream("app/")]
    (attempt,) = m8.attempts
    assert [(name.uri, name.known, name.is_folder) for name in names] == [
        ("vault://app/db", Known.IMPORTABLE, False),
        ("vault://app/more/", Known.FOLDER, True),
    ]
    assert attempt.request.purpose == upload_pb2.PURPOSE_LIST
    assert b"".join(attempt.sealed) == b""

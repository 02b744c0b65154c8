"""An m8 that lies about patches: only a receipt for this very request and these very bytes is success."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path

import pytest

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.client import Expect, PutResult
from monoskope.client.known_stores import KnownStores
from monoskope.errors import ConflictError, IdentityChangedError, OutcomeUnknownError, RefusedError, UsageError
from monoskope.protocol.labels import RECEIPT
from monoskope.protocol.receipt import make_receipt, sealed_digest
from monoskope.testing.scripted.client import client_for, pinned
from monoskope.testing.scripted.m8 import FINGERPRINT, VERSION, Attempt, ScriptedM8

URI = "vault://app/db"
VALUES = {"password": b"correct horse battery"}


@pytest.fixture
async def m8(tmp_path: Path) -> AsyncIterator[ScriptedM8]:
    async with ScriptedM8().serving(tmp_path) as scripted:
        yield scripted


@pytest.fixture
def known(m8: ScriptedM8, tmp_path: Path) -> KnownStores:
    return pinned(m8, tmp_path)


async def patch(
    m8: ScriptedM8,
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
    m8: ScriptedM8, known: KnownStores
) -> None:
    result = await patch(m8, known, expect="7@x")
    (attempt,) = m8.attempts
    request = attempt.request
    assert (result.outcome, result.upstream_version, result.hash) == ("UPLOADED", VERSION, FINGERPRINT)
    assert (request.purpose, request.remove_keys) == (upload_pb2.PURPOSE_PATCH, ("a", "old"))
    assert (request.expect, request.expect_version) == (upload_pb2.EXPECT_VERSION, "7@x")
    assert all(VALUES["password"] not in message for message in m8.received)
    assert len(attempt.sealed[0]) == 1_120 + 512 + 16


async def test_a_patch_that_only_removes_seals_nothing(m8: ScriptedM8, known: KnownStores) -> None:
    await patch(m8, known, values={})
    assert m8.attempts[0].sealed == [b""]


async def test_a_reactor_that_was_given_no_sealed_keys_did_not_do_what_was_asked(
    m8: ScriptedM8, known: KnownStores
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


async def test_the_receipt_of_an_earlier_patch_is_a_replay(m8: ScriptedM8, known: KnownStores) -> None:
    await patch(m8, known)
    first = m8.attempts.pop()
    m8.end = lambda attempt: m8.ended(attempt, first.success())
    with pytest.raises(OutcomeUnknownError, match="another grant"):
        await patch(m8, known)


async def test_a_grant_that_removes_other_keys_is_no_grant(m8: ScriptedM8, known: KnownStores) -> None:
    await patch(m8, known, remove=["other"])
    other = m8.attempts.pop()
    m8.key_answer = lambda _: m8.honest_key(other)
    with pytest.raises(IdentityChangedError, match="another request"):
        await patch(m8, known)
    assert not any(attempt.sealed for attempt in m8.attempts)


async def test_a_deletion_is_no_patch(m8: ScriptedM8, known: KnownStores) -> None:
    m8.end = lambda attempt: m8.ended(attempt, attempt.receipt(upload_pb2.OUTCOME_DELETED, prior_version=VERSION))
    with pytest.raises(OutcomeUnknownError, match="does not fit"):
        await patch(m8, known)


async def test_an_end_that_nobody_signed_is_unknown(m8: ScriptedM8, known: KnownStores) -> None:
    m8.end = lambda attempt: m8.ended(attempt, None, upload_pb2.REASON_CONFLICT)
    with pytest.raises(OutcomeUnknownError):
        await patch(m8, known)


async def test_a_signed_conflict_is_one(m8: ScriptedM8, known: KnownStores) -> None:
    reason = upload_pb2.REASON_CONFLICT
    m8.end = lambda attempt: m8.ended(attempt, attempt.failure(reason), reason)
    with pytest.raises(ConflictError, match="lacks a key to remove"):
        await patch(m8, known)


async def test_a_store_that_cannot_patch_is_asked_for_no_key(m8: ScriptedM8, known: KnownStores) -> None:
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
async def test_what_makes_no_sense_is_sent_to_nobody(
    m8: ScriptedM8, known: KnownStores, fields: dict[str, object]
) -> None:
    with pytest.raises(UsageError):
        await patch(m8, known, **fields)  # type: ignore[arg-type]
    assert not m8.calls

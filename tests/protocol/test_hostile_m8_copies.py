"""An m8 that lies about copies: only receipts of both stores, each under its pin and of one content, are success."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Copy, Expect
from monoskope.client.known_stores import KnownStores
from monoskope.errors import ConflictError, IdentityChangedError, OutcomeUnknownError, UsageError
from monoskope.protocol.identity import ProofError
from monoskope.protocol.labels import RECEIPT
from monoskope.protocol.receipt import make_receipt
from monoskope.testing.identities import Identity
from monoskope.testing.scripted_client import client_for, pinned
from monoskope.testing.scripted_m8 import FINGERPRINT, VERSION, Attempt, ScriptedM8
from tests.unit.protocol.vectors import a_grant, a_request

SOURCE, DESTINATION = "vault://app/db", "local://app/db"
THERE = Identity()
VALUES = [("password", FINGERPRINT)]


def there(
    *,
    signer: Identity = THERE,
    uri: str = DESTINATION,
    outcome: upload_pb2.Outcome = upload_pb2.OUTCOME_UPLOADED,
    fingerprint: str = FINGERPRINT,
) -> upload_pb2.Signed:
    """The destination's receipt."""
    receipt = make_receipt(
        grant=a_grant(a_request(uri=uri)),
        sealed_sha256=b"s" * 32,
        outcome=outcome,
        upstream_version="w1",
        fingerprint=fingerprint,
        values=[("password", fingerprint)],
    )
    return signer.sign(RECEIPT, receipt.content)


def copied(attempt: Attempt, **fields: Any) -> upload_pb2.Signed:
    """The source's receipt."""
    return attempt.receipt(
        upload_pb2.OUTCOME_COPIED,
        upstream_version=VERSION,
        fingerprint=FINGERPRINT,
        values=VALUES,
        **{"destination": there(), **fields},
    )


@pytest.fixture
async def m8(tmp_path: Path) -> AsyncIterator[ScriptedM8]:
    scripted = ScriptedM8()
    scripted.add_store("local", THERE, kind="age")
    async with scripted.serving(tmp_path):
        scripted.end = lambda attempt: scripted.ended(attempt, copied(attempt))
        yield scripted


@pytest.fixture
def known(m8: ScriptedM8, tmp_path: Path) -> KnownStores:
    return pinned(m8, tmp_path)


async def copy(m8: ScriptedM8, known: KnownStores, destination: str = DESTINATION, **fields: Any) -> Copy:
    async with client_for(m8, known.path.parent) as client:
        return await client.copy_secret(SOURCE, destination, **{"timeout": 20, **fields})


async def test_a_copy_sends_nothing_sealed_and_shows_what_both_stores_signed(
    m8: ScriptedM8, known: KnownStores
) -> None:
    done = await copy(m8, known, expect=Expect.ABSENT)
    (attempt,) = m8.attempts
    request = attempt.request
    assert (request.purpose, str(request.uri), str(request.destination)) == (
        upload_pb2.PURPOSE_COPY,
        SOURCE,
        DESTINATION,
    )
    assert request.expect == upload_pb2.EXPECT_ABSENT
    assert b"".join(attempt.sealed) == b""
    assert (done.outcome, done.hash) == ("UPLOADED", FINGERPRINT)
    assert (done.upstream_version, done.destination_version) == (VERSION, "w1")


async def test_a_destination_that_is_not_the_pinned_one_is_not_believed(m8: ScriptedM8, known: KnownStores) -> None:
    m8.end = lambda attempt: m8.ended(attempt, copied(attempt, destination=there(signer=Identity())))
    with pytest.raises(ProofError, match="the copy there"):
        await copy(m8, known)


async def test_a_destination_whose_identity_changed_is_asked_for_nothing(m8: ScriptedM8, known: KnownStores) -> None:
    m8.stores["local"].identity = Identity().shown
    with pytest.raises(IdentityChangedError):
        await copy(m8, known)
    assert not m8.attempts


@pytest.mark.parametrize(
    "destination",
    [
        lambda: there(uri="local://app/other"),
        lambda: there(fingerprint=FINGERPRINT[:-1] + "0"),
        lambda: upload_pb2.Signed(content=b"x"),
    ],
    ids=["another place", "another hash", "malformed"],
)
async def test_a_copy_that_the_destination_does_not_prove_is_unknown(
    m8: ScriptedM8, known: KnownStores, destination: Callable[[], upload_pb2.Signed]
) -> None:
    m8.end = lambda attempt: m8.ended(attempt, copied(attempt, destination=destination()))
    with pytest.raises(OutcomeUnknownError, match="proves nothing"):
        await copy(m8, known)


async def test_the_receipt_of_an_earlier_copy_is_a_replay(m8: ScriptedM8, known: KnownStores) -> None:
    await copy(m8, known)
    first = copied(m8.attempts.pop())
    m8.end = lambda attempt: m8.ended(attempt, first)
    with pytest.raises(OutcomeUnknownError, match="copied"):
        await copy(m8, known)


async def test_the_destinations_receipt_alone_is_no_copy(m8: ScriptedM8, known: KnownStores) -> None:
    m8.end = lambda attempt: m8.ended(attempt, there())
    with pytest.raises(OutcomeUnknownError):
        await copy(m8, known)


async def test_a_signed_conflict_is_one_and_an_end_that_nobody_signed_is_none(
    m8: ScriptedM8, known: KnownStores
) -> None:
    reason = upload_pb2.REASON_CONFLICT
    m8.end = lambda attempt: m8.ended(attempt, attempt.failure(reason), reason)
    with pytest.raises(ConflictError, match="destination"):
        await copy(m8, known)
    m8.end = lambda attempt: m8.ended(attempt, None, reason)
    with pytest.raises(OutcomeUnknownError):
        await copy(m8, known)


async def test_one_store_is_no_two(m8: ScriptedM8, known: KnownStores) -> None:
    with pytest.raises(UsageError, match="in one store"):
        await copy(m8, known, "vault://app/other")
    with pytest.raises(UsageError):
        await copy(m8, known, "local://../x")
    assert not m8.attempts

"""An m8 that lies about verifications and imports: only a receipt for this very request counts."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from google.protobuf.message import Message

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Import, Verification
from monoskope.client.known_stores import KnownStores
from monoskope.errors import ConflictError, NotFoundError, OutcomeUnknownError
from monoskope.protocol.identity import ProofError
from monoskope.testing.scripted.client import client_for, pinned
from monoskope.testing.scripted.m8 import FINGERPRINT, VERSION, Attempt, ScriptedM8

URI = "vault://app/db"


class Showing(ScriptedM8):
    """Shows receipts of a secret, one after the other; the last one for ever. None shows no receipt."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[bytes | None] = [b"newest"]

    def more(self, method: str, message: Message) -> Message:
        if not isinstance(message, queries_pb2.GetSecretRequest) or not self.shown:
            raise NotFoundError(f"{method}: nothing there.")
        content = self.shown.pop(0) if len(self.shown) > 1 else self.shown[0]
        secret = views_pb2.Secret(uri=URI)
        if content is not None:
            secret.receipt.content = content
        return queries_pb2.GetSecretResponse(secret=secret)


@pytest.fixture
async def m8(tmp_path: Path) -> AsyncIterator[Showing]:
    async with Showing().serving(tmp_path) as scripted:
        assert isinstance(scripted, Showing)
        scripted.end = lambda attempt: scripted.ended(attempt, in_sync(attempt))
        yield scripted


@pytest.fixture
def known(m8: Showing, tmp_path: Path) -> KnownStores:
    return pinned(m8, tmp_path)


def in_sync(attempt: Attempt, of: bytes = b"newest") -> upload_pb2.Signed:
    digest = hashlib.sha256(of).digest()
    return attempt.receipt(upload_pb2.OUTCOME_IN_SYNC, upstream_version=VERSION, verified_sha256=digest)


async def verify(m8: Showing, known: KnownStores) -> Verification:
    async with client_for(m8, known.path.parent) as client:
        return await client.verify_secret(URI, timeout=20)


async def adopt(m8: Showing, known: KnownStores) -> Import:
    async with client_for(m8, known.path.parent) as client:
        return await client.import_secret(URI, timeout=20)


async def test_a_verification_sends_nothing_and_says_what_it_compared_with(m8: Showing, known: KnownStores) -> None:
    found = await verify(m8, known)
    (attempt,) = m8.attempts
    assert (found.outcome, found.in_sync, found.upstream_version, found.newest) == ("IN_SYNC", True, VERSION, True)
    assert attempt.request.purpose == upload_pb2.PURPOSE_VERIFY
    assert b"".join(attempt.sealed) == b""


@pytest.mark.parametrize("outcome", [upload_pb2.OUTCOME_DRIFTED, upload_pb2.OUTCOME_GONE])
async def test_drift_is_an_answer(m8: Showing, known: KnownStores, outcome: upload_pb2.Outcome) -> None:
    version = "8@x" if outcome == upload_pb2.OUTCOME_DRIFTED else ""
    digest = hashlib.sha256(b"newest").digest()
    m8.end = lambda attempt: m8.ended(
        attempt, attempt.receipt(outcome, upstream_version=version, verified_sha256=digest)
    )
    found = await verify(m8, known)
    assert (found.in_sync, found.upstream_version) == (False, version)


async def test_a_reactor_that_was_handed_an_older_receipt_than_is_shown_proves_nothing(
    m8: Showing, known: KnownStores
) -> None:
    m8.end = lambda attempt: m8.ended(attempt, in_sync(attempt, b"older"))
    with pytest.raises(ProofError, match="another receipt"):
        await verify(m8, known)


async def test_a_put_meanwhile_is_no_lie(m8: Showing, known: KnownStores) -> None:
    m8.shown = [b"before", b"newest"]
    assert (await verify(m8, known)).newest is True


async def test_who_may_see_no_receipt_is_told_that_nothing_was_checked(m8: Showing, known: KnownStores) -> None:
    m8.shown = [None]
    assert (await verify(m8, known)).newest is None


async def test_the_receipt_of_an_earlier_verification_is_a_replay(m8: Showing, known: KnownStores) -> None:
    await verify(m8, known)
    first = in_sync(m8.attempts.pop())
    m8.end = lambda attempt: m8.ended(attempt, first)
    with pytest.raises(OutcomeUnknownError, match="in sync"):
        await verify(m8, known)


async def test_a_comparison_is_no_verification(m8: Showing, known: KnownStores) -> None:
    m8.end = lambda attempt: m8.ended(attempt, attempt.receipt(upload_pb2.OUTCOME_EQUAL, upstream_version=VERSION))
    with pytest.raises(OutcomeUnknownError, match="proves nothing"):
        await verify(m8, known)


async def test_an_import_sends_nothing_and_shows_the_hash(m8: Showing, known: KnownStores) -> None:
    m8.end = m8.honest_end
    found = await adopt(m8, known)
    (attempt,) = m8.attempts
    assert (found.hash, found.values, found.upstream_version) == (FINGERPRINT, {"password": FINGERPRINT}, VERSION)
    assert attempt.request.purpose == upload_pb2.PURPOSE_IMPORT
    assert b"".join(attempt.sealed) == b""


async def test_an_import_that_nobody_signed_is_none(m8: Showing, known: KnownStores) -> None:
    m8.end = m8.ended
    with pytest.raises(OutcomeUnknownError, match="imported"):
        await adopt(m8, known)


async def test_the_receipt_of_an_earlier_import_is_a_replay(m8: Showing, known: KnownStores) -> None:
    m8.end = m8.honest_end
    await adopt(m8, known)
    first = m8.attempts.pop().success()
    m8.end = lambda attempt: m8.ended(attempt, first)
    with pytest.raises(OutcomeUnknownError):
        await adopt(m8, known)


async def test_a_signed_failure_of_an_import_is_one(m8: Showing, known: KnownStores) -> None:
    reason = upload_pb2.REASON_CONFLICT
    m8.end = lambda attempt: m8.ended(attempt, attempt.failure(reason), reason)
    with pytest.raises(ConflictError):
        await adopt(m8, known)

"""An m8 that lies about deletions: only a DELETED receipt for this very request is success."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Deletion, Expect
from monoskope.client.known_stores import KnownStores
from monoskope.errors import ConflictError, OutcomeUnknownError, UsageError
from monoskope.testing.scripted.client import client_for, pinned
from monoskope.testing.scripted.m8 import FINGERPRINT, VERSION, ScriptedM8

URI = "vault://app/db"


@pytest.fixture
async def m8(tmp_path: Path) -> AsyncIterator[ScriptedM8]:
    async with ScriptedM8().serving(tmp_path) as scripted:
        yield scripted


@pytest.fixture
def known(m8: ScriptedM8, tmp_path: Path) -> KnownStores:
    return pinned(m8, tmp_path)


async def delete(
    m8: ScriptedM8, known: KnownStores, *, expect: Expect | str = Expect.ANY, destroy: bool = False
) -> Deletion:
    async with client_for(m8, known.path.parent) as client:
        return await client.delete_secret(URI, expect=expect, destroy=destroy, timeout=20)


async def test_a_deletion_sends_nothing_sealed_and_what_was_asked(m8: ScriptedM8, known: KnownStores) -> None:
    deletion = await delete(m8, known, expect="7@x", destroy=True)
    (attempt,) = m8.attempts
    request = attempt.request
    assert (deletion.deleted_version, deletion.destroyed) == (VERSION, True)
    assert (request.purpose, request.destroy) == (upload_pb2.PURPOSE_DELETE, True)
    assert (request.expect, request.expect_version) == (upload_pb2.EXPECT_VERSION, "7@x")
    assert b"".join(attempt.sealed) == b""


async def test_the_receipt_of_an_earlier_deletion_is_a_replay(m8: ScriptedM8, known: KnownStores) -> None:
    await delete(m8, known)
    first = m8.attempts.pop()
    m8.end = lambda attempt: m8.ended(attempt, first.success())
    with pytest.raises(OutcomeUnknownError, match="deleted"):
        await delete(m8, known)


async def test_an_upload_is_no_deletion(m8: ScriptedM8, known: KnownStores) -> None:
    m8.end = lambda attempt: m8.ended(
        attempt,
        attempt.receipt(
            upload_pb2.OUTCOME_UPLOADED,
            upstream_version=VERSION,
            fingerprint=FINGERPRINT,
            values=[("password", FINGERPRINT)],
        ),
    )
    with pytest.raises(OutcomeUnknownError, match="proves nothing"):
        await delete(m8, known)


async def test_an_end_that_nobody_signed_is_unknown(m8: ScriptedM8, known: KnownStores) -> None:
    m8.end = lambda attempt: m8.ended(attempt, None, upload_pb2.REASON_CONFLICT)
    with pytest.raises(OutcomeUnknownError):
        await delete(m8, known)


async def test_a_signed_conflict_is_one(m8: ScriptedM8, known: KnownStores) -> None:
    reason = upload_pb2.REASON_CONFLICT
    m8.end = lambda attempt: m8.ended(attempt, attempt.failure(reason), reason)
    with pytest.raises(ConflictError):
        await delete(m8, known)


async def test_what_is_absent_cannot_be_deleted(m8: ScriptedM8, known: KnownStores) -> None:
    with pytest.raises(UsageError):
        await delete(m8, known, expect=Expect.ABSENT)
    assert not m8.attempts

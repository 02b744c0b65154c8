"""An m8 that lies about generations: only an UPLOADED receipt for this very request is success."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Expect, Generated
from monoskope.client.known_stores import KnownStores
from monoskope.errors import ConflictError, OutcomeUnknownError, UsageError
from monoskope.protocol.recipes import Recipe
from monoskope.testing.scripted.client import client_for, pinned
from monoskope.testing.scripted.m8 import FINGERPRINT, PUBLIC, VERSION, ScriptedM8

URI = "vault://app/db"
WANTED = {"password": "password:32", "key": "ed25519"}


@pytest.fixture
async def m8(tmp_path: Path) -> AsyncIterator[ScriptedM8]:
    async with ScriptedM8().serving(tmp_path) as scripted:
        yield scripted


@pytest.fixture
def known(m8: ScriptedM8, tmp_path: Path) -> KnownStores:
    return pinned(m8, tmp_path)


async def generate(m8: ScriptedM8, known: KnownStores, **fields: Any) -> Generated:
    async with client_for(m8, known.path.parent) as client:
        return await client.generate_secret(URI, **{"recipes": WANTED, "timeout": 20, **fields})


async def test_a_generation_sends_recipes_and_nothing_sealed(m8: ScriptedM8, known: KnownStores) -> None:
    made = await generate(m8, known, expect=Expect.ABSENT, labels={"owner": "anna"}, expires_on="2027-01-31")
    (attempt,) = m8.attempts
    request = attempt.request
    assert (request.purpose, request.expect) == (upload_pb2.PURPOSE_GENERATE, upload_pb2.EXPECT_ABSENT)
    assert request.recipes == (Recipe("key", "ed25519"), Recipe("password", "password", 32))
    assert (request.labels, request.expires_on) == ((("owner", "anna"),), "2027-01-31")
    assert b"".join(attempt.sealed) == b""
    assert (made.hash, made.public_values, made.upstream_version) == (FINGERPRINT, {"key": PUBLIC}, VERSION)


async def test_a_public_half_of_m8s_own_is_not_shown(m8: ScriptedM8, known: KnownStores) -> None:
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


async def test_the_receipt_of_an_earlier_generation_is_a_replay(m8: ScriptedM8, known: KnownStores) -> None:
    await generate(m8, known)
    first = m8.attempts.pop()
    m8.end = lambda attempt: m8.ended(attempt, first.success())
    with pytest.raises(OutcomeUnknownError, match="generated"):
        await generate(m8, known)


async def test_unchanged_is_no_generation(m8: ScriptedM8, known: KnownStores) -> None:
    m8.end = lambda attempt: m8.ended(
        attempt,
        attempt.receipt(
            upload_pb2.OUTCOME_UNCHANGED,
            upstream_version=VERSION,
            fingerprint=FINGERPRINT,
            values=[("key", FINGERPRINT)],
        ),
    )
    with pytest.raises(OutcomeUnknownError, match="proves nothing"):
        await generate(m8, known)


async def test_a_signed_conflict_is_one_and_silence_is_not(m8: ScriptedM8, known: KnownStores) -> None:
    reason = upload_pb2.REASON_CONFLICT
    m8.end = lambda attempt: m8.ended(attempt, attempt.failure(reason), reason)
    with pytest.raises(ConflictError):
        await generate(m8, known)
    m8.end = lambda attempt: m8.ended(attempt, None, reason)
    with pytest.raises(OutcomeUnknownError):
        await generate(m8, known)


@pytest.mark.parametrize("recipes", [{}, {"a": "dsa"}, {"a": "hex:7"}, {"..a": "hex"}, {"a": "hex:x"}])
async def test_what_cannot_be_made_is_refused_before_anything_is_sent(
    m8: ScriptedM8, known: KnownStores, recipes: dict[str, str]
) -> None:
    with pytest.raises(UsageError):
        await generate(m8, known, recipes=recipes)
    assert not m8.attempts

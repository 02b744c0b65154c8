"""How a rotation asks stores, against an m8 that says of an account what its store did not."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.rotation.hands import SessionHands
from monoskope.client.rotation.round import LATE_S, Sync
from monoskope.client.rotation.spec import Rotation
from monoskope.errors import NotFoundError, RefusedError
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.client import client_for, pinned
from monoskope.testing.scripted.m8 import Attempt, ScriptedM8
from monoskope.uri import SecretUri
from tests.support.reactor_world import ask

DB, ACCOUNT = "vault://orders/db", "pg://orders_a"
CANNOT_READ = upload_pb2.REASON_CANNOT_READ


def shown(asked: queries_pb2.GetSecretRequest) -> queries_pb2.GetSecretResponse:
    if asked.uri != ACCOUNT:
        raise NotFoundError("there is no such secret.")
    return queries_pb2.GetSecretResponse(secret=views_pb2.Secret(uri=ACCOUNT))


@pytest.fixture
def m8() -> ScriptedM8:
    scripted = ScriptedM8()
    scripted.add_store("pg", Identity())
    scripted.stores["vault"].reactors[0].capabilities.copies_to.extend(["pg", "vault"])
    scripted.answers[queries_pb2.GetSecretRequest] = shown
    return scripted


@pytest.fixture
async def hands(m8: ScriptedM8, tmp_path: Path) -> AsyncIterator[SessionHands]:
    async with m8.serving(tmp_path):
        pinned(m8, tmp_path)
        async with client_for(m8, tmp_path) as client:
            yield SessionHands(client._session, Rotation.of(DB, [ACCOUNT]), 30.0)


async def test_a_store_that_can_only_compare_is_waited_for_as_long_as_its_keys_live(
    m8: ScriptedM8, hands: SessionHands
) -> None:
    m8.end = lambda attempt: m8.ended(attempt, attempt.failure(CANNOT_READ), CANNOT_READ)
    look = await hands.look()
    assert look.accounts[0].sync is Sync.UNREADABLE
    assert look.late_s == 300 + LATE_S


async def test_that_an_account_can_only_be_compared_is_no_word_of_m8s(m8: ScriptedM8, hands: SessionHands) -> None:
    """It would be set whatever is there, and nobody would see that it was locked by hand."""
    m8.key_answer = lambda _: queries_pb2.GetSecretUploadKeyResponse(
        state=views_pb2.UPLOAD_STATE_ENDED, reason=CANNOT_READ
    )
    with pytest.raises(RefusedError, match="m8 says"):
        await hands.account(ACCOUNT)


def put_at(m8: ScriptedM8, uri: str) -> upload_pb2.Signed:
    """Return the receipt of a put there."""
    attempt = m8.grant_for(ask(uri=SecretUri.parse(uri)))
    attempt.sealed.append(b"sealed")
    return attempt.success()


@pytest.mark.parametrize("comes", [True, False])
async def test_a_receipt_that_comes_only_now_is_no_drift(m8: ScriptedM8, hands: SessionHands, *, comes: bool) -> None:
    """Another run has written what is there: two at once are no hand of others."""
    before, after = put_at(m8, ACCOUNT), put_at(m8, ACCOUNT)
    shows = [before]
    m8.answers[queries_pb2.GetSecretRequest] = lambda _: queries_pb2.GetSecretResponse(
        secret=views_pb2.Secret(uri=ACCOUNT, receipt=shows[-1])
    )

    def verified(attempt: Attempt) -> views_pb2.SecretUpload:
        newest = shows[-1]
        outcome = upload_pb2.OUTCOME_IN_SYNC if newest is after else upload_pb2.OUTCOME_DRIFTED
        if comes:
            shows.append(after)
        digest = hashlib.sha256(newest.content).digest()
        return m8.ended(attempt, attempt.receipt(outcome, upstream_version="7", verified_sha256=digest))

    m8.end = verified
    assert (await hands.account(ACCOUNT)).sync is (Sync.IN_SYNC if comes else Sync.DRIFTED)

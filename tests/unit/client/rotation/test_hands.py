"""How a rotation asks stores, against an m8 that says of an account what its store did not."""

from __future__ import annotations

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
from monoskope.testing.scripted.m8 import ScriptedM8

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

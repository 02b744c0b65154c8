"""How a rotation asks stores, against an m8 that says of an account what its store did not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.rotation.hands import SessionHands
from monoskope.client.rotation.round import LATE_S, Look, Place, Round, Sync, digest_of
from monoskope.client.rotation.spec import Rotation
from monoskope.client.rotation.walk import RotationStoppedError
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


@pytest.mark.parametrize(("hours_ago", "is_seen"), [(0, True), (1, True), (72, False)])
@pytest.mark.parametrize("hours_off", [-14, 0, 14])
async def test_a_write_is_looked_for_only_as_far_back_as_it_can_be_under_way(  # noqa: PLR0917 - pytest names them
    m8: ScriptedM8, hands: SessionHands, monkeypatch: pytest.MonkeyPatch, hours_ago: int, is_seen: bool, hours_off: int
) -> None:
    """Else m8 reads its whole log for it. The clock of this machine may be in another time zone by mistake."""
    now = 1_700_000_000_000
    began = views_pb2.EventSummary(
        position=1, stream="upload/1", type="SecretUploadStarted", uri=DB, recorded_at_ms=now - hours_ago * 3_600_000
    )

    def listed(asked: queries_pb2.ListEventsRequest) -> queries_pb2.ListEventsResponse:
        is_asked = asked.prefix == DB and began.recorded_at_ms >= asked.since_ms
        return queries_pb2.ListEventsResponse(events=[began] if is_asked else [], head=1)

    m8.answers[queries_pb2.ListEventsRequest] = listed
    monkeypatch.setattr("monoskope.client.rotation.hands.wall_clock", lambda: now + hours_off * 3_600_000)
    assert await hands.is_written(Look(Place(DB), Place(f"{DB}.next"), (Place(ACCOUNT),))) is is_seen


@pytest.mark.parametrize("version", ["7", "8"])
async def test_a_copy_that_was_to_change_nothing_and_did_begins_no_round(
    hands: SessionHands, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    """The new round would replace a version that is there no more, and stop in its middle."""

    async def copied(to: str, *_rest: object) -> SimpleNamespace:
        return SimpleNamespace(destination=to, destination_version=version, outcome="UPLOADED", hash="", values={})

    monkeypatch.setattr(hands, "_copy", copied)
    round_ = Round(ACCOUNT, digest_of("6"), 1_700_000_000_000)
    look = Look(Place(DB, Sync.IN_SYNC, "7"), Place(f"{DB}.next", Sync.IN_SYNC, "3"), (Place(ACCOUNT),), round_)
    with nullcontext() if version == "7" else pytest.raises(RotationStoppedError, match="written there again"):
        await hands.rehearse(look)

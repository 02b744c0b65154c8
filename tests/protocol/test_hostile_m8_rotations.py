"""Identities that move on, and a hostile m8 that moves them (docs/protocol.md, Identities)."""

from __future__ import annotations

import pytest

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.client import Client, PutResult
from monoskope.client.known_stores import KnownStores
from monoskope.errors import IdentityChangedError, OutcomeUnknownError
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.client import client_for, settings_for, was_received
from monoskope.testing.scripted.m8 import Attempt, ScriptedM8

VALUE = b"correct horse battery staple"
URI = "vault://app/db"


def move(m8: ScriptedM8, *identities: Identity) -> None:
    """Let the store's identity go through `identities`, each step signed by both."""
    now = m8.signers["vault"]
    for identity in identities:
        m8.stores["vault"].rotations.append(now.rotate(identity, "vault"))
        now = identity
    m8.signers["vault"] = now
    m8.stores["vault"].identity = now.shown


async def put(m8: ScriptedM8, known: KnownStores) -> PutResult:
    async with client_for(m8, known.path.parent) as client:
        return await client.put_secret(URI, {"password": VALUE}, timeout=60)


async def refused(m8: ScriptedM8, known: KnownStores) -> str:
    sent = m8.count("RequestUploadSecret")
    with pytest.raises(IdentityChangedError) as caught:
        await put(m8, known)
    assert m8.count("RequestUploadSecret") == sent
    assert not was_received(m8, VALUE)
    return caught.value.message


async def test_a_chain_is_followed_told_and_its_last_identity_pinned(m8: ScriptedM8, known: KnownStores) -> None:
    first, last = m8.identity, Identity()
    move(m8, Identity(), last)
    notices: list[str] = []

    settings = settings_for(m8, known.path.parent)
    async with Client(settings, notify=notices.append, system_known_stores=known.path.with_name("none")) as client:
        await client.put_secret(URI, {"password": VALUE}, timeout=60)

    assert known.identity(m8.server, "vault") == last.shown
    assert len(notices) == 1
    assert first.shown in notices[0]
    assert last.shown in notices[0]


async def test_the_identity_before_a_followed_step_is_not_accepted_again(m8: ScriptedM8, known: KnownStores) -> None:
    first, second = m8.identity, Identity()
    move(m8, second)
    await put(m8, known)

    del m8.stores["vault"].rotations[:]
    m8.signers["vault"] = first
    m8.stores["vault"].identity = first.shown

    message = await refused(m8, known)

    assert first.shown in message
    assert second.shown in message
    assert known.identity(m8.server, "vault") == second.shown


async def test_a_step_back_to_an_earlier_identity_is_refused(m8: ScriptedM8, known: KnownStores) -> None:
    move(m8, Identity(), m8.identity)

    assert "earlier identity" in await refused(m8, known)


async def test_a_step_back_to_an_identity_before_the_pin_is_refused(m8: ScriptedM8, known: KnownStores) -> None:
    second = Identity()
    move(m8, second)
    await put(m8, known)
    move(m8, m8.identity)

    assert "earlier identity" in await refused(m8, known)
    assert known.identity(m8.server, "vault") == second.shown


async def test_a_chain_with_a_gap_is_refused(m8: ScriptedM8, known: KnownStores) -> None:
    move(m8, Identity(), Identity(), Identity())
    del m8.stores["vault"].rotations[1]

    assert "chain" in await refused(m8, known)
    assert known.identity(m8.server, "vault") == m8.identity.shown


@pytest.mark.parametrize("field", ["old_signature", "new_signature"])
async def test_a_step_that_one_of_the_keys_did_not_sign_is_refused(
    m8: ScriptedM8, known: KnownStores, field: str
) -> None:
    thief = Identity()
    move(m8, thief)
    forged = m8.identity.rotate(thief, "vault")
    setattr(forged, field, Identity().rotate(Identity(), "vault").old_signature)
    m8.stores["vault"].rotations[0].CopyFrom(forged)

    assert "does not verify" in await refused(m8, known)


async def test_a_step_of_another_store_is_refused(m8: ScriptedM8, known: KnownStores) -> None:
    other = Identity()
    move(m8, other)
    m8.stores["vault"].rotations[0].CopyFrom(m8.identity.rotate(other, "local"))

    assert "another store" in await refused(m8, known)


async def test_sixty_four_steps_are_followed(m8: ScriptedM8, known: KnownStores) -> None:
    move(m8, *(Identity() for _ in range(64)))

    await put(m8, known)

    assert known.identity(m8.server, "vault") == m8.signers["vault"].shown


async def test_more_than_sixty_four_steps_are_not_followed(m8: ScriptedM8, known: KnownStores) -> None:
    move(m8, *(Identity() for _ in range(65)))

    assert "64" in await refused(m8, known)
    assert known.identity(m8.server, "vault") == m8.identity.shown


async def test_a_long_history_before_the_pin_does_not_count(m8: ScriptedM8, known: KnownStores) -> None:
    move(m8, *(Identity() for _ in range(40)))
    await put(m8, known)
    move(m8, *(Identity() for _ in range(64)))

    await put(m8, known)

    assert known.identity(m8.server, "vault") == m8.signers["vault"].shown


async def test_a_grant_under_the_old_identity_beside_a_step_away_from_it_is_refused(
    m8: ScriptedM8, known: KnownStores
) -> None:
    thief_holds = m8.identity
    move(m8, Identity())

    def answer(attempt: Attempt) -> queries_pb2.GetSecretUploadKeyResponse:
        return queries_pb2.GetSecretUploadKeyResponse(
            state=views_pb2.UPLOAD_STATE_GRANTED,
            grant=m8.grant_for(attempt.request, signer=thief_holds).signed_grant(),
            rotations=m8.stores["vault"].rotations,
        )

    m8.key_answer = answer

    assert thief_holds.shown in await refused(m8, known)


async def test_a_receipt_under_the_next_identity_counts_with_its_step(m8: ScriptedM8, known: KnownStores) -> None:
    later = Identity()
    m8.rotations_later = [m8.identity.rotate(later, "vault")]

    def end(attempt: Attempt) -> views_pb2.SecretUpload:
        attempt.signer = later
        return m8.ended(attempt, attempt.success())

    m8.end = end

    assert (await put(m8, known)).outcome == "UPLOADED"
    assert known.identity(m8.server, "vault") == later.shown


async def test_a_receipt_under_another_identity_without_a_step_proves_nothing(
    m8: ScriptedM8, known: KnownStores
) -> None:
    def end(attempt: Attempt) -> views_pb2.SecretUpload:
        attempt.signer = Identity()
        return m8.ended(attempt, attempt.success())

    m8.end = end

    with pytest.raises(OutcomeUnknownError):
        await put(m8, known)

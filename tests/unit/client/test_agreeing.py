"""Agreeing to a store's identity in advance, for programs that set up others."""

from __future__ import annotations

from pathlib import Path

import pytest

from monoskope.client import Client
from monoskope.errors import IdentityChangedError, NotFoundError, UsageError
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.client import client_for, pinned
from monoskope.testing.scripted.m8 import ScriptedM8


def state(client: Client, m8: ScriptedM8) -> str:
    return client.stores.look_at_identity(m8.stores["vault"]).state


async def test_an_agreed_identity_is_pinned_and_the_next_put_asks_nobody(tmp_path: Path) -> None:
    async with ScriptedM8().serving(tmp_path) as m8, client_for(m8, tmp_path) as client:
        assert state(client, m8) == "new"

        assert await client.stores.trust("vault", m8.identity.shown) == m8.identity.shown

        assert state(client, m8) == "pinned"
        assert (await client.put_secret("vault://app/db", {"password": b"x"})).outcome == "UPLOADED"
        assert await client.stores.trust("vault", m8.identity.shown) == m8.identity.shown


async def test_an_identity_before_signed_steps_is_agreed_to_as_their_last(tmp_path: Path) -> None:
    later = Identity()
    async with ScriptedM8().serving(tmp_path) as m8, client_for(m8, tmp_path) as client:
        m8.stores["vault"].rotations.append(m8.identity.rotate(later, "vault"))
        m8.stores["vault"].identity = later.shown

        assert await client.stores.trust("vault", m8.identity.shown) == later.shown
        assert client.stores.look_at_identity(m8.stores["vault"]).pinned == later.shown


async def test_another_identity_than_m8_shows_is_not_pinned(tmp_path: Path) -> None:
    async with ScriptedM8().serving(tmp_path) as m8, client_for(m8, tmp_path) as client:
        with pytest.raises(IdentityChangedError):
            await client.stores.trust("vault", Identity().shown)
        with pytest.raises(UsageError):
            await client.stores.trust("vault", m8.identity.shown[:-1])
        with pytest.raises(NotFoundError):
            await client.stores.trust("other", m8.identity.shown)
        assert state(client, m8) == "new"


async def test_no_pin_is_replaced(tmp_path: Path) -> None:
    async with ScriptedM8().serving(tmp_path) as m8, client_for(m8, tmp_path) as client:
        pinned(m8, tmp_path)
        before = (tmp_path / "known_stores").read_bytes()
        other = Identity()
        m8.stores["vault"].identity = other.shown

        with pytest.raises(IdentityChangedError, match="changed"):
            await client.stores.trust("vault", other.shown)

        assert state(client, m8) == "changed"
        assert (tmp_path / "known_stores").read_bytes() == before


async def test_an_identity_that_another_store_has_is_no_new_one(tmp_path: Path) -> None:
    async with ScriptedM8().serving(tmp_path) as m8, client_for(m8, tmp_path) as client:
        pinned(m8, tmp_path)
        m8.add_store("copy", m8.identity)

        seen = client.stores.look_at_identity(m8.stores["copy"])

        assert seen.state == "changed"
        assert "same identity" in str(seen.changed)

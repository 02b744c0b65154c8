"""What a client sends again while something that m8 needs is away, such as a database that fails over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monoskope.client import Client, queries
from monoskope.client.connection import Connection
from monoskope.client.queries import Queries
from monoskope.errors import AwayError, OutcomeUnknownError, UnavailableError
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.client import client_for, pinned, settings_for, stores_of
from monoskope.testing.scripted.m8 import ScriptedM8
from tests.support.clocks import Clock, OnClock, clocked

FULL = UnavailableError("the event log cannot be written: the disk is full.", fix="Make room.")
AWAY = AwayError("the event log fails over.", fix="Wait.")


@pytest.fixture
async def m8(tmp_path: Path) -> AsyncIterator[ScriptedM8]:
    async with ScriptedM8().serving(tmp_path) as scripted:
        scripted.add_store("vault", Identity())
        yield scripted


@pytest.fixture
async def connection(m8: ScriptedM8) -> AsyncIterator[Connection]:
    connection = Connection(m8.server, m8.ca_file, "a.b.c", pause_s=0.01)
    yield connection
    await connection.close()


async def test_a_query_is_asked_again_until_it_is_answered(m8: ScriptedM8, connection: Connection) -> None:
    m8.failing["GetSecretStore"] = [AWAY] * 4

    assert (await Queries(connection).store("vault")).name == "vault"
    assert m8.calls == ["GetSecretStore"] * 5


async def test_a_query_that_is_never_answered_ends_with_what_m8_said(
    m8: ScriptedM8, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "CALL_TIMEOUT_S", 85.0)
    connection = Connection(m8.server, m8.ca_file, "a.b.c", pause_s=10.0, runtime=OnClock(Clock()))
    m8.failing["GetSecretStore"] = [AWAY] * 1_000

    with pytest.raises(UnavailableError, match="fails over") as caught:
        await Queries(connection).store("vault")
    assert caught.value.by_m8
    assert m8.calls == ["GetSecretStore"] * 3  # the third pause, of 40 s or more, would end after the time is over
    await connection.close()


async def test_a_command_that_may_not_be_sent_twice_is_sent_once(m8: ScriptedM8, connection: Connection) -> None:
    m8.failing["DeactivateSecretStore"] = [AWAY] * 2

    with pytest.raises(UnavailableError, match="fails over"):
        await stores_of(connection).deactivate("vault")
    assert m8.calls == ["DeactivateSecretStore"]


async def test_a_full_disk_is_told_at_once_and_not_waited_for(m8: ScriptedM8, connection: Connection) -> None:
    m8.failing["GetSecretStore"] = [FULL] * 2

    with pytest.raises(UnavailableError, match="the disk is full") as caught:
        await Queries(connection).store("vault")
    assert m8.calls == ["GetSecretStore"]
    assert caught.value.by_m8


async def test_a_put_to_a_full_disk_ends_at_once_and_says_why(m8: ScriptedM8, tmp_path: Path) -> None:
    m8.failing["RequestSecretUploadKey"] = [FULL] * 2
    pinned(m8, tmp_path)
    async with client_for(m8, tmp_path) as client:
        with pytest.raises(UnavailableError, match="the disk is full"):
            await client.put_secret("vault://app/db", {"password": b"correct horse"})
    assert m8.calls.count("RequestSecretUploadKey") == 1


async def test_a_put_whose_sealed_secret_finds_no_room_says_why_after_its_wait(m8: ScriptedM8, tmp_path: Path) -> None:
    m8.failing["RequestUploadSecret"] = [FULL] * 1_000
    pinned(m8, tmp_path)
    clock = Clock()
    kind = clocked(Client, clock)
    async with kind(settings_for(m8, tmp_path), system_known_stores=tmp_path / "none", pause_s=1.0) as client:
        with pytest.raises(OutcomeUnknownError, match=r"no receipt came within 20 s \(m8 says: .*the disk is full\)"):
            await client.put_secret("vault://app/db", {"password": b"correct horse"}, timeout=20)
    assert clock.time == Clock().time + 20
    assert m8.count("RequestUploadSecret") > 5

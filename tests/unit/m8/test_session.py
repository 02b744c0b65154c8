"""What an attached reactor is told, and what not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monoskope.api.secrets.v1 import events_pb2
from monoskope.m8.domain.events import token_stream, write
from tests.unit.m8.world import World, a_world
from tests.unit.protocol.vectors import Signer, a_request


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as world:
        yield world


async def test_a_reactor_is_told_its_own_stores_events_and_none_else(world: World) -> None:
    administrator, user, other = world.administrator(), world.user("anna", "vault://app", "local://app"), Signer()
    await administrator.create("local", other.shown)
    reactor = await world.attached()
    foreign = world.reactor(other, store="local")
    await foreign.attach()
    await user.ask(a_request(uri="local://app/db"))
    await foreign.give_key()
    await administrator.create("third", Signer().shown)
    await administrator.deactivate("third")
    issued = events_pb2.TokenIssued(id="0" * 32, subject="anna")
    await world.app.log.append(token_stream(issued.id), 0, [write(issued)], actor="m8")
    await foreign.half_close()
    request = a_request()
    await user.ask(request)
    told = await reactor.delivered.get()
    while told.event.stream == "reactor/vault":
        told = await reactor.delivered.get()
    assert told.event.stream == f"upload/{request.request_id.hex()}"
    assert told.event.type == "SecretUploadKeyRequested"

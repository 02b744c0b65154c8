"""Listings that look through much give way to others, and one user has one of them made at a time."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from monoskope.api.gateway.v1 import queries_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.m8.domain.events import write
from monoskope.m8.domain.principal import Principal
from monoskope.m8.queries.events import Events
from monoskope.m8.service.app import Caller
from monoskope.protocol.events import upload_stream
from monoskope.uri import UriPrefix
from tests.support.m8_world import World
from tests.support.vectors import a_request

EVENTS = 1_000


async def test_a_page_through_what_one_may_not_see_gives_way_again_and_again(world: World) -> None:
    requests = [a_request(request_id=os.urandom(16)) for _ in range(EVENTS)]
    events = [events_pb2.SecretUploadKeyRequested(request=request.content, subject="boris") for request in requests]
    await asyncio.gather(
        *(
            world.app.log.append(upload_stream(request.request_id), 0, [write(event)], actor="boris")
            for request, event in zip(requests, events, strict=True)
        )
    )
    rights = frozenset({events_pb2.RIGHT_PUT})
    eve = Principal.of_token(
        "id",
        "eve",
        events_pb2.ROLE_USER,
        prefixes=[UriPrefix.parse("vault://elsewhere")],
        rights=rights,
        expires_at_ms=2**50,
    )
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    beside = asyncio.create_task(others())
    await asyncio.sleep(0)
    page = await Events(world.app).list_events(queries_pb2.ListEventsRequest(), Caller(eve, 10.0))
    beside.cancel()
    assert not page.events
    assert turns >= EVENTS // 200


async def test_one_user_has_one_page_made_at_a_time_and_others_theirs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, boris = (world.user(name, "vault://") for name in ("anna", "boris"))
    find, held = world.app.log.find, world.app.listing.held
    active, most, another_asked = 0, 0, asyncio.Event()

    def asked(subject: str) -> asyncio.Lock:
        if active:
            another_asked.set()
        return held(subject)

    async def held_back(*arguments: Any, **options: Any) -> list[tuple[str, bytes]]:
        nonlocal active, most
        active += 1
        most = max(most, active)
        async with asyncio.timeout(60):
            await another_asked.wait()
        found = await find(*arguments, **options)
        active -= 1
        return found

    monkeypatch.setattr(world.app.listing, "held", asked)
    monkeypatch.setattr(world.app.log, "find", held_back)
    await asyncio.gather(*(anna.secrets() for _ in range(30)))
    assert most == 1
    another_asked.clear()
    await asyncio.gather(anna.secrets(), boris.secrets())
    assert most == 2

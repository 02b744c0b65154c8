"""A call that waits for a request is woken by what the feed passes on, from before the request is recorded on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from monoskope.api.gateway.v1 import views_pb2
from monoskope.m8.domain.events import may_end
from monoskope.m8.log.event_log import RecordedEvent
from tests.support.m8_world import World
from tests.support.vectors import a_request


async def test_a_new_request_is_answered_with_its_key_without_reading_its_stream_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, reactor = world.user("anna", "vault://app"), await world.attached()
    shown, read = world.app.documents.upload, []

    async def reading(request_id: bytes) -> views_pb2.SecretUpload | None:
        read.append(request_id)
        return await shown(request_id)

    monkeypatch.setattr(world.app.documents, "upload", reading)
    request = a_request()
    asking = asyncio.create_task(user.ask_and_wait(request))
    _, grant = await reactor.give_key()
    answer = await asking
    assert answer.key.state == views_pb2.UPLOAD_STATE_GRANTED
    assert answer.key.grant.content == grant.content
    assert read == []

    # The same request again finds its key by a read: its events were recorded before the call began to wait.
    assert (await user.ask_and_wait(request)).key.grant == answer.key.grant
    assert read == [request.request_id]


async def test_what_is_recorded_between_the_request_and_the_waiting_is_not_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, reactor = world.user("anna", "vault://app"), await world.attached()
    change = world.app.aggregates.change
    granted = asyncio.Event()

    async def slow(*event: Any, **rest: Any) -> list[RecordedEvent]:
        recorded = await change(*event, **rest)
        await granted.wait()
        return recorded

    monkeypatch.setattr(world.app.aggregates, "change", slow)
    asking = asyncio.create_task(user.ask_and_wait(a_request()))
    await reactor.give_key()
    granted.set()
    assert (await asking).key.state == views_pb2.UPLOAD_STATE_GRANTED


async def test_a_server_that_stops_ends_the_waiting_of_calls_that_began_before_and_after(world: World) -> None:
    async def never() -> int | None:
        return None

    with world.app.feed.waiting("upload/1", may_end) as before:
        waiting = asyncio.create_task(before.until(never, wait_s=60, at_once=False))
        await asyncio.sleep(0)
        world.app.feed.stop()
        assert await waiting is None
    with world.app.feed.waiting("upload/1", may_end) as after:
        assert await after.until(never, wait_s=60, at_once=False) is None

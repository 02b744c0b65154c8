"""What every call goes through: errors, limits, and m8's own log."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import pytest

from monoskope.api.gateway.v1 import commands_pb2, queries_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import UnavailableError
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.service.aggregates import Aggregates
from monoskope.m8.service.feed import Follower, LocatedEvent
from tests.support.http_calls import CallError
from tests.support.log_lines import strangers
from tests.support.m8_world import PATIENCE_S, World, a_world, refused
from tests.support.vectors import Signer, a_request


async def test_a_defect_says_nothing_of_itself(
    world: World, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_self: EventLog, _collection: str, _key: str) -> bytes:
        raise LookupError("hunter2")

    monkeypatch.setattr(type(world.app.log), "get", broken)
    with refused("INTERNAL") as error:
        await world.user("anna", "vault://app").secret("vault://app/db")
    assert "hunter2" not in error.message
    assert "hunter2" not in lines.getvalue()
    assert "LookupError" in lines.getvalue()


async def test_a_call_is_one_line_without_its_token_or_content(world: World, lines: io.StringIO) -> None:
    user = world.user("anna", "vault://app")
    user.headers += (("x-request-id", "abc-1"),)
    with refused("NOT_FOUND"):
        await user.secret("vault://app/db")
    (line,) = [line for line in map(json.loads, lines.getvalue().splitlines()) if line.get("method") == "GetSecret"]
    assert (line["code"], line["subject"], line["uri"]) == ("NOT_FOUND", "anna", "vault://app/db")
    assert line["client_request_id"] == "abc-1"
    assert "Bearer" not in lines.getvalue()
    assert user.token not in lines.getvalue()


async def test_the_line_of_a_refused_reactor_names_the_store_that_it_asked_for(
    world: World, lines: io.StringIO
) -> None:
    stranger, garbled = world.reactor(Signer()), world.reactor()
    with refused("REFUSED"):
        await stranger.attach()
    await garbled.open()
    login = garbled.login()
    login.hello.content = b"\x12\x07../../x"
    with refused("IDENTITY_CHANGED"):
        await garbled.attach(login)
    assert strangers(world.app, lines) == {"Attach REFUSED vault": 1, "Attach IDENTITY_CHANGED": 1}


async def test_a_message_beyond_the_limit_is_refused(world: World) -> None:
    user = world.user("anna", "vault://app")
    message = commands_pb2.RequestUploadSecretRequest(ciphertext=bytes(1_300_000))
    with pytest.raises(CallError) as error:
        await user.call(message)
    assert error.value.code == "resource_exhausted"


async def test_waiting_forgets_nothing_and_leaves_nothing(world: World) -> None:
    """Many wait for one stream; all are woken by its event, also those that came just before it."""
    user, reactor = world.user("anna", "vault://app"), await world.attached()
    request_id = await user.ask(a_request())
    waiting = [asyncio.create_task(user.key(request_id)) for _ in range(20)]
    await reactor.give_key()
    answers = await asyncio.gather(*waiting)
    assert len({answer.grant.content for answer in answers}) == 1
    assert world.app.feed._waiting == {}


async def test_a_call_that_outlives_its_deadline_is_cancelled(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    cancelled = asyncio.Event()

    async def slow(*_: object) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            cancelled.set()

    user = world.user("anna", "vault://app")
    monkeypatch.setattr(type(world.app.log), "get", slow)
    message = queries_pb2.GetSecretRequest(uri="vault://app/db")
    async with asyncio.timeout(PATIENCE_S):
        while not cancelled.is_set():  # on a busy machine the time may be over before the log is asked
            with pytest.raises(CallError) as late:
                await user.call(message, timeout_s=0.1)
            assert late.value.code == "deadline_exceeded"
            await asyncio.sleep(0.005)


async def test_who_hangs_up_cancels_the_call(world: World, lines: io.StringIO) -> None:
    user, reactor = world.user("anna", "vault://app"), await world.attached()
    request_id = await user.ask(a_request())
    await reactor.next("SecretUploadKeyRequested")
    waiting = asyncio.ensure_future(user.key(request_id))
    async with asyncio.timeout(PATIENCE_S):
        while not world.app.feed._waiting:
            await asyncio.sleep(0)
        waiting.cancel()
        while not (ended := [line for line in _calls(lines) if line["code"] == "CANCELLED"]):
            await asyncio.sleep(0.005)
    assert (ended[0]["subject"], ended[0]["method"]) == ("anna", "GetSecretUploadKey")
    assert world.app.feed._waiting == {}


def _calls(lines: io.StringIO) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, lines.getvalue().splitlines()) if line["event"] == "call"]


async def test_unknown_fields_are_dropped_before_anything_is_recorded(world: World) -> None:
    user = world.user("anna", "vault://app")
    message = queries_pb2.GetServerRequest.FromString(b"\x9a\x06\x03abc")
    assert (await user.call(message)).subject == "anna"


async def test_a_follower_that_lies_too_far_behind_loses_its_queue_and_is_told_so(world: World) -> None:
    (event,) = await world.app.log.read(after=0, limit=1)
    noted, follower = LocatedEvent(event, None), Follower(lambda _: True, backlog=2)
    follower.take(noted)
    follower.take(noted)
    assert await follower.next() is noted
    follower.take(noted)
    follower.take(noted)
    for fails in (follower.next, follower.failure):
        with pytest.raises(UnavailableError, match="as fast as"):
            await fails()


async def test_a_server_that_stops_does_not_wait_for_those_who_wait(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        user, reactor = world.user("anna", "vault://app"), await world.attached()
        request_id = await user.ask(a_request())
        waiting = asyncio.create_task(user.key(request_id))
        await reactor.next("SecretUploadKeyRequested")
        while not world.app.feed._waiting:
            await asyncio.sleep(0)
        world.app.feed.stop()
        assert (await waiting).state == views_pb2.UPLOAD_STATE_REQUESTED
        assert await reactor.call.code() == "unavailable"


async def test_a_defect_in_an_append_is_answered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reactor = await world.attached()

    async def broken(*_: object) -> int:
        raise LookupError("hunter2")

    monkeypatch.setattr(Aggregates, "append", broken)
    answer = await reactor.append(bytes(16), 0, events_pb2.SecretUploadFailed())
    assert (answer.error, answer.version) == ("INTERNAL", 0)
    assert "hunter2" not in answer.message

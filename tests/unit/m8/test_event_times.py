"""Events of a time and of one who caused them, and watching from now on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from monoskope.api.gateway.v1 import queries_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.m8.domain.principal import Principal
from monoskope.m8.log.event_log import NewEvent, RecordedEvent
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.queries.events import Events
from monoskope.m8.queries.pages import STEP_MS
from monoskope.m8.service.app import Caller
from monoskope.protocol.events import upload_stream
from monoskope.protocol.grant import parse_grant
from monoskope.protocol.wire import serialise
from tests.support.m8_walk import Documents, Walk
from tests.support.m8_world import World, pages, refused


async def a_minute_each(world: World, count: int, *, actor: str = "m8") -> list[RecordedEvent]:
    """Record events, with a minute after each."""
    recorded = []
    for _ in range(count):
        recorded += await world.app.log.append("things", None, [NewEvent("Happened", b"")], actor=actor)
        world.clock.pass_s(60)
    return recorded


async def an_hour(world: World, count: int) -> list[RecordedEvent]:
    """Record so many events at once, and let an hour pass."""
    recorded = await world.app.log.append("things", None, [NewEvent("Happened", b"")] * count, actor="m8")
    world.clock.pass_s(STEP_MS // 1000)
    return recorded


async def positions(world: World, *, page_size: int = 1000, **fields: object) -> list[int]:
    """The positions of all pages."""
    found = pages(lambda token: world.administrator().events(page_size=page_size, page_token=token, **fields))
    return [event.position async for page in found for event in page.events]


async def test_events_of_a_time_are_exactly_those(world: World) -> None:
    recorded = await a_minute_each(world, 300)
    since, until = recorded[100].recorded_at_ms, recorded[200].recorded_at_ms
    wanted = [event.position for event in recorded[100:200]]
    assert await positions(world, since_ms=since, until_ms=until) == wanted
    assert await positions(world, since_ms=since, until_ms=until, page_size=7) == wanted
    assert await positions(world, since_ms=since, until_ms=until, page_size=7, newest_first=True) == wanted[::-1]
    assert (await positions(world, since_ms=since))[: len(wanted)] == wanted
    assert (await positions(world, until_ms=until, newest_first=True))[: len(wanted)] == wanted[::-1]
    assert await positions(world, since_ms=until + 10**12) == []


async def test_events_before_a_position_are_exactly_those(world: World) -> None:
    recorded = await a_minute_each(world, 100)
    wanted = [event.position for event in recorded[:60]]
    before = recorded[60].position
    first = wanted[0]

    for page_size in (1000, 7):
        assert [one for one in await positions(world, before=before, page_size=page_size) if one >= first] == wanted
        newest = await positions(world, before=before, page_size=page_size, newest_first=True)
        assert newest[: len(wanted)] == wanted[::-1]
    assert await positions(world, before=before, since_ms=recorded[50].recorded_at_ms) == wanted[50:]
    assert await positions(world, before=before, since_ms=recorded[70].recorded_at_ms, newest_first=True) == []
    assert await positions(world, before=1) == []


async def test_a_clock_that_was_set_back_by_less_than_an_hour_hides_nothing(world: World) -> None:
    before = await a_minute_each(world, 100)
    world.clock.pass_s(-50 * 60)
    after = await a_minute_each(world, 100)
    since = before[90].recorded_at_ms
    expected = [event.position for event in (*before, *after) if event.recorded_at_ms >= since]
    assert await positions(world, since_ms=since) == expected
    assert await positions(world, since_ms=since, newest_first=True) == expected[::-1]


@pytest.mark.parametrize("newest_first", [False, True])
async def test_the_rest_of_the_log_is_not_read(
    world: World, newest_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = [await an_hour(world, 50) for _ in range(40)]
    read: list[int] = []
    real = SqliteLog.read

    async def counted(log: SqliteLog, *, after: int, limit: int) -> list[RecordedEvent]:
        events = await real(log, after=after, limit=limit)
        read.extend(event.position for event in events)
        return events

    monkeypatch.setattr(SqliteLog, "read", counted)
    at = hours[20][0].recorded_at_ms
    found = await positions(world, since_ms=at, until_ms=at + 1, newest_first=newest_first)
    assert sorted(found) == [event.position for event in hours[20]]
    assert len(read) < 4 * 50 + 2 * 12


async def test_events_of_one_actor(world: World) -> None:
    await a_minute_each(world, 3)
    mine = [event.position for event in await a_minute_each(world, 2, actor="m8/os/anna")]
    await a_minute_each(world, 3, actor="m8/os/anna2")
    assert await positions(world, actor="m8/os/anna") == mine
    assert await positions(world, actor="m8/os/anna", newest_first=True, page_size=1) == mine[::-1]
    assert await positions(world, actor="m8/os") == []


async def test_a_page_token_belongs_to_its_filters(world: World) -> None:
    await a_minute_each(world, 3)
    user = world.administrator()
    token = (await user.events(page_size=1, actor="m8")).next_page_token
    for fields in ({}, {"actor": "root"}, {"actor": "m8", "since_ms": 1}):
        with refused("USAGE"):
            await user.events(page_size=1, page_token=token, **fields)


async def test_a_page_says_where_the_log_ends(world: World) -> None:
    await a_minute_each(world, 3)
    head = await world.app.log.head()
    nobody = world.user("anna", "vault://a")
    for newest_first in (False, True):
        answer = await nobody.events(newest_first=newest_first)
        assert (list(answer.events), answer.head) == ([], head)


async def test_watching_from_now_begins_with_the_next_event(world: World) -> None:
    await a_minute_each(world, 5)
    user = world.administrator()
    watching: Any = user.watch(from_now=True)
    reading = asyncio.ensure_future(watching.read())
    while not world.app.feed._followers:
        await asyncio.sleep(0)
    [recorded] = await a_minute_each(world, 1)
    async with asyncio.timeout(60):
        answer = await reading
    assert answer.event.position == recorded.position
    watching.cancel()


def root() -> Caller:
    """An administrator who calls without a transport."""
    administrator = events_pb2.ROLE_ADMINISTRATOR
    return Caller(
        Principal.of_token("id", "root", administrator, prefixes=[], rights=frozenset(), expires_at_ms=2**50), 10.0
    )


async def test_a_watcher_that_reads_the_past_is_not_too_slow_for_what_is_recorded_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.app.feed, "_backlog", 50)
    await an_hour(world, 300)
    watching: Any = Events(world.app).watch_events(queries_pb2.WatchEventsRequest(), root())
    seen = [(await anext(watching)).event.position]
    last = (await an_hour(world, 200))[-1].position
    seen += [(await anext(watching)).event.position for _ in range(last - 1)]
    assert seen == list(range(1, last + 1))
    await watching.aclose()


async def test_watchers_that_take_nothing_of_the_past_make_nobody_wait(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monoskope.m8.queries.events._TURN_S", 3_600.0)
    last = (await an_hour(world, 300))[-1].position
    events = Events(world.app)
    mute: list[Any] = [events.watch_events(queries_pb2.WatchEventsRequest(), root()) for _ in range(3)]
    honest: Any = events.watch_events(queries_pb2.WatchEventsRequest(), root())
    async with asyncio.timeout(60):
        for watching in mute:
            await anext(watching)
        seen = [(await anext(honest)).event.position for _ in range(last)]
    assert seen == list(range(1, last + 1))
    for watching in (*mute, honest):
        await watching.aclose()


KEY = f"SHA256:{'a' * 43}"
SIGNER = {"signer": "anna@example.org", "signer_key": KEY}


def test_events_say_who_signed_and_unsigned_ones_do_not() -> None:
    documents, walk, unsigned = Documents(), Walk(), Walk()
    message = upload_pb2.UploadGrant.FromString(walk.grant.content)
    message.signature_required = True
    walk.grant = parse_grant(serialise(message))
    for one, fields in ((walk, SIGNER), (unsigned, {})):
        events = [one.asked(), one.provided(), one.sent(), one.started(**fields), one.uploaded(**fields)]
        documents.record(upload_stream(one.request.request_id), events)
    said = [event.detail for event in documents.events]
    assert said.count(f"UPLOADED, version 1, signed by anna@example.org with {KEY}") == 1
    assert said.count(f"replacing nothing, signed by anna@example.org with {KEY}") == 1
    assert said.count("UPLOADED, version 1") == 1

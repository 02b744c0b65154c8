"""What reactors say of their engines: who is told, and whom it spares a request that would only fail."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from monoskope.api.gateway.v1 import reactor_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from tests.support.fake_reactor import FakeReactor
from tests.support.m8_user import PATIENCE_S, refusal
from tests.support.m8_world import World, a_world
from tests.support.vectors import a_request

T = TypeVar("T")

OK = reactor_pb2.ENGINE_HEALTH_OK
DOWN = reactor_pb2.ENGINE_HEALTH_UNAVAILABLE
REFUSED = reactor_pb2.ENGINE_HEALTH_REFUSED


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """No timekeeper runs beside the test, whose clock jumps."""
    async with a_world(tmp_path) as world:
        yield world


async def says(
    world: World, reactor: FakeReactor, engine: reactor_pb2.EngineHealth, *, after_s: float = 1.0, **fields: Any
) -> views_pb2.Reactor:
    """Let a reactor say something, and return what an administrator sees of it then."""
    world.clock.pass_s(after_s)
    await reactor.beat(reactor_pb2.Heartbeat(engine=engine, **fields))
    async with asyncio.timeout(PATIENCE_S):
        while True:
            store = await world.administrator().store("vault")
            shown = next(one for one in store.reactors if one.replica == reactor.replica)
            if shown.last_heard_ms == world.clock():
                return shown


async def while_saying(
    world: World, work: Coroutine[Any, Any, T], said: dict[FakeReactor, reactor_pb2.EngineHealth]
) -> T:
    task = asyncio.ensure_future(work)
    async with asyncio.timeout(PATIENCE_S):
        while not task.done():
            for reactor, engine in said.items():
                await says(world, reactor, engine, after_s=0.001)
    return task.result()


async def test_an_engine_that_is_down_refuses_before_anything_is_recorded(world: World, reactor: FakeReactor) -> None:
    await says(world, reactor, OK)
    since = await says(world, reactor, DOWN)
    user, request, head = world.user("anna", "vault://app"), a_request(), await world.app.log.head()
    why = ("the engine of the store vault does not answer (UPSTREAM_UNAVAILABLE)", "2023-11-14T22:13:22Z")
    await refusal("UNAVAILABLE", while_saying(world, user.ask(request), {reactor: DOWN}), *why)
    assert since.engine_since_ms == 1_700_000_002_000
    assert await world.app.log.head() == head


async def test_an_engine_that_is_back_is_believed_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reactor = await world.attached()
    await says(world, reactor, DOWN)
    request = a_request()
    notes, looked = world.app.log.beat_notes, asyncio.Event()

    async def look() -> dict[str, bytes]:
        found = await notes()
        looked.set()
        return found

    monkeypatch.setattr(world.app.log, "beat_notes", look)
    asking = asyncio.ensure_future(world.user("anna", "vault://app").ask(request))
    await asyncio.wait_for(looked.wait(), PATIENCE_S)
    await says(world, reactor, OK)
    assert await asyncio.wait_for(asking, PATIENCE_S) == request.request_id


@pytest.mark.parametrize("is_told_again", [False, True])
async def test_a_look_from_before_the_request_refuses_nothing_told_twice(world: World, *, is_told_again: bool) -> None:
    reactor, request = await world.attached(), a_request()
    await says(world, reactor, DOWN)
    asking = asyncio.ensure_future(world.user("anna", "vault://app").ask(request))
    async with asyncio.timeout(PATIENCE_S):
        while not asking.done():
            if is_told_again:
                await says(world, reactor, DOWN, engine_looked_ms_ago=60_000)
            else:
                world.clock.pass_s(1)
                await world.administrator().store("vault")
    assert await asking == request.request_id


@pytest.mark.parametrize("other", [OK, REFUSED, reactor_pb2.ENGINE_HEALTH_UNSPECIFIED])
async def test_one_reactor_that_may_serve_is_enough(world: World, other: reactor_pb2.EngineHealth) -> None:
    first, second = await world.attached(), await world.attached()
    await says(world, first, DOWN)
    await says(world, second, other)
    request = a_request()
    asking = world.user("anna", "vault://app").ask(request)
    assert await while_saying(world, asking, {first: DOWN, second: other}) == request.request_id


async def test_a_reactor_that_left_has_no_say(world: World) -> None:
    gone, here = await world.attached(), await world.attached()
    await says(world, gone, OK)
    await says(world, here, DOWN)
    await gone.half_close()
    await refusal("UNAVAILABLE", while_saying(world, world.user("anna", "vault://app").ask(a_request()), {here: DOWN}))
    store = await world.administrator().store("vault")
    assert {one.replica: one.engine for one in store.reactors} == {here.replica: DOWN, gone.replica: 0}


async def test_who_asks_again_for_what_was_recorded_is_answered(world: World) -> None:
    reactor, user, request = await world.attached(), world.user("anna", "vault://app"), a_request()
    await user.ask(request)
    await says(world, reactor, DOWN)
    assert await user.ask(request) == request.request_id


async def test_a_new_session_begins_without_a_word(world: World, reactor: FakeReactor) -> None:
    await says(world, reactor, DOWN)
    await reactor.half_close()
    again = world.reactor(replica=reactor.replica)
    await again.attach()
    (shown,) = (await world.administrator().store("vault")).reactors
    assert (shown.replica, shown.engine, shown.engine_since_ms) == (again.replica, 0, 0)


@pytest.mark.parametrize(
    ("reason", "is_shown"), [(upload_pb2.REASON_UPSTREAM_UNAVAILABLE, True), (upload_pb2.REASON_CONFLICT, False)]
)
async def test_why_others_failed_is_their_matter(world: World, reason: upload_pb2.Reason, *, is_shown: bool) -> None:
    shown = await says(world, await world.attached(), OK, last_failure=reason, last_failure_at_ms=5)
    assert (shown.last_failure, shown.last_failure_at_ms) == (reason, 5)
    (seen,) = (await world.user("anna", "vault://app").store("vault")).reactors
    assert (seen.last_failure, seen.last_failure_at_ms) == ((reason, 5) if is_shown else (0, 0))
    assert seen.engine == OK


async def test_what_a_reactor_says_is_shown_while_it_says_so_and_since_when(world: World, reactor: FakeReactor) -> None:
    first = await says(world, reactor, REFUSED, signers_trouble=True)
    later = await says(world, reactor, REFUSED)
    assert (first.signers_trouble, later.signers_trouble) == (True, False)
    assert first.engine_since_ms == later.engine_since_ms < (await says(world, reactor, OK)).engine_since_ms


async def test_unfinished_requests_in_sight_are_counted(world: World) -> None:
    await world.attached()
    anna, bert = world.user("anna", "vault://app"), world.user("bert", "vault://other")
    for uri in ("vault://app/a", "vault://app/b"):
        await anna.ask(a_request(uri=uri))
    await bert.ask(a_request(uri="vault://other/c"))
    counted = [(await user.store("vault")).pending for user in (anna, bert, world.administrator())]
    assert counted == [2, 1, 3]


async def test_many_callers_of_a_store_look_as_often_as_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of them looks again and again. The others wait for it, and look once each when its time is over."""
    callers, waiting, looks, answers = 80, 0, 0, asyncio.Event()
    await says(world, await world.attached(), DOWN)
    user, notes, held = world.user("anna", "vault://app"), world.app.log.beat_notes, world.app.looks.held

    async def counted() -> dict[str, bytes]:
        nonlocal looks
        looks += 1
        await answers.wait()
        return await notes()

    def waits(store: str) -> asyncio.Lock:
        nonlocal waiting
        waiting += 1
        return held(store)

    monkeypatch.setattr(world.app.log, "beat_notes", counted)
    monkeypatch.setattr(world.app.looks, "held", waits)
    asking = [asyncio.ensure_future(user.ask(a_request(request_id=secrets.token_bytes(16)))) for _ in range(callers)]
    async with asyncio.timeout(PATIENCE_S):
        while waiting < callers or not looks:
            await asyncio.sleep(0.001)
    assert looks == 1
    world.clock.pass_s(world.app.limits.heartbeat_s)
    answers.set()
    await asyncio.gather(*asking)
    assert looks == callers

"""How a client goes on after a limit: not before it may, not all at once, and not much slower than it could."""

from __future__ import annotations

import asyncio
from math import inf
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client.http.retry import LONGEST_PAUSE_S, pause_after
from monoskope.client.runtime.on_asyncio import ASYNCIO, AsyncioRuntime
from monoskope.client.walk.pace import AT_ONCE, Pace, RequestTime
from monoskope.client.walk.target import Target
from monoskope.client.walk.trust import Trust
from monoskope.testing.scripted.client import client_for
from monoskope.testing.scripted.m8 import ScriptedM8
from monoskope.uri import SecretUri

NO_TRUST = cast("Trust", None)


class Clock(AsyncioRuntime):
    """Seconds that pass while somebody sleeps."""

    def __init__(self) -> None:
        self.time = 100.0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@given(st.floats(-1e9, 1e9), st.integers(0, 1_000), st.floats(0.001, 2.0))
def test_no_answer_lets_a_client_hammer_or_wait_for_long(told_s: float, times: int, pause_s: float) -> None:
    pause = pause_after(told_s, times, pause_s)
    if told_s > LONGEST_PAUSE_S:
        assert pause is None
    else:
        assert pause is not None
        assert max(2.5 * pause_s, told_s) <= pause <= 1.25 * max(LONGEST_PAUSE_S, 80 * pause_s)


async def test_until_a_limit_is_met_nothing_waits(clock: Clock) -> None:
    pace = Pace(clock)
    for _ in range(1_000):
        await pace.turn(inf)
        pace.taken()
    assert clock.time == 100.0


async def test_after_a_refusal_requests_begin_when_told_and_no_faster_than_they_were_taken(clock: Clock) -> None:
    pace = Pace(clock)
    for _ in range(50):
        await pace.turn(inf)
        pace.taken()
    for _ in range(20):
        assert (pace.refused(1, 0) or 0) >= 1

    begun = []
    for _ in range(45):
        await pace.turn(inf)
        begun.append(clock.time)

    assert begun[0] >= 101.0
    # 45 a second, nine tenths of what was taken, however many were refused together.
    assert begun[-1] - begun[0] == pytest.approx(44 / 45)


async def test_it_becomes_faster_with_what_is_taken_and_slower_with_the_next_refusal(clock: Clock) -> None:
    pace = Pace(clock)
    for _ in range(10):
        pace.taken()
    pace.refused(1, 0)

    async def gap() -> float:
        await pace.turn(inf)
        began = clock.time
        await pace.turn(inf)
        return clock.time - began

    first = await gap()
    assert first == pytest.approx(1 / 9)
    for _ in range(100):
        await pace.turn(inf)
        pace.taken()
    faster = await gap()
    assert faster < first
    pace.refused(1, 0)
    assert await gap() == pytest.approx(faster / 0.9)


async def test_a_limit_of_the_hour_stops_nothing_else(clock: Clock) -> None:
    pace = Pace(clock)
    assert pace.refused(3_600, 0) is None
    await pace.turn(inf)
    assert clock.time == 100.0


async def test_a_request_whose_time_is_over_gives_its_turn_to_the_next(clock: Clock) -> None:
    pace = Pace(clock, pause_s=0.001)
    pause_s = pace.refused(0.2, 0)
    assert pause_s is not None
    with pytest.raises(TimeoutError):
        await pace.turn(clock.time + 0.01)
    assert clock.time == pytest.approx(100.01)
    await pace.turn(inf)
    assert clock.time == pytest.approx(100 + pause_s)


async def test_the_time_of_one_of_several_begins_with_its_place(clock: Clock) -> None:
    pace = Pace(ASYNCIO)
    for _ in range(AT_ONCE):
        await pace.semaphore.acquire()
    alone = RequestTime(ASYNCIO, 0.05, 0.001, pace=pace, several=False)
    several = RequestTime(clock, 0.05, 0.001, pace=pace, several=True)

    async def placed() -> float:
        async with several.admitted():
            return several.remaining_s()

    waiting = asyncio.create_task(placed())
    with pytest.raises(TimeoutError):
        async with alone.admitted():
            pass
    clock.time += 60
    pace.semaphore.release()
    assert await waiting == pytest.approx(0.05)


async def test_all_requests_of_a_client_at_one_store_share_one_pace(tmp_path: Path) -> None:
    async with ScriptedM8().serving(tmp_path) as m8, client_for(m8, tmp_path) as client:
        paces = [
            client._session.walk(Target(SecretUri.parse(uri), views_pb2.SecretStore(), NO_TRUST), 1.0)._pace
            for uri in ("vault://app", "vault://other", "local://app")
        ]
    assert paces[0] is paces[1] is not paces[2]

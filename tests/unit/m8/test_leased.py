"""Work that one process does at a time: who does it, and what becomes of it when the lease or the log goes."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from monoskope.errors import UnavailableError
from monoskope.m8.background import leased
from monoskope.m8.background.leased import Leased
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.service.app import App
from tests.support.m8_world import PATIENCE_S, World

LONG_S = 60.0


class Time:
    """The clock by which a lease runs out: it stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture(autouse=True)
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    """A lease lasts as long as a test wants, however slow the machine is, and is asked for every 30 ms all the same."""
    found = Time()
    monkeypatch.setattr(leased, "time", found)
    monkeypatch.setattr(leased, "ASKS", round(LONG_S / 0.03))
    return found


class Work:
    """Says that it runs, until it is cancelled."""

    def __init__(self) -> None:
        self.begun = 0
        self.runs = asyncio.Event()
        self.ended = asyncio.Event()

    async def __call__(self) -> None:
        self.begun += 1
        self.runs.set()
        self.ended.clear()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.runs.clear()
            self.ended.set()


def another(app: App) -> App:
    """A second process on the same log."""
    return replace(app, replica="m8/other", leases=set(), news=asyncio.Event())


async def stop(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_one_of_two_works_and_the_other_as_soon_as_the_first_stops(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = Work(), Work()
    refused, lease = asyncio.Event(), type(world.app.log).lease

    async def asked(log: EventLog, name: str, holder: str, *, ttl_ms: int) -> bool:
        has = await lease(log, name, holder, ttl_ms=ttl_ms)
        if not has and name == "work":
            refused.set()
        return has

    monkeypatch.setattr(type(world.app.log), "lease", asked)
    first = asyncio.create_task(Leased(world.app, "work", one, ttl_s=LONG_S).run())
    async with asyncio.timeout(PATIENCE_S):
        await one.runs.wait()
        assert "work" in world.app.leases
        second = asyncio.create_task(Leased(another(world.app), "work", two, ttl_s=LONG_S).run())
        await refused.wait()
        assert not two.begun
        await stop(first)
        await two.runs.wait()
    assert (one.ended.is_set(), "work" in world.app.leases) == (True, False)
    await stop(second)


async def test_who_lost_the_lease_meanwhile_stops_and_begins_anew_when_it_is_free(world: World) -> None:
    work = Work()
    task = asyncio.create_task(Leased(world.app, "work", work, ttl_s=LONG_S).run())
    async with asyncio.timeout(PATIENCE_S):
        await work.runs.wait()
        # As after a pause that was longer than the lease: another one has it.
        await world.app.log.release("work", world.app.replica)
        while not await world.app.log.lease("work", "m8/other", ttl_ms=60_000):  # it has asked again just before
            await world.app.log.release("work", world.app.replica)
        await work.ended.wait()
        await world.app.log.release("work", "m8/other")
        await work.runs.wait()
    assert work.begun == 2
    await stop(task)


async def test_while_the_log_does_not_answer_the_work_ends_with_its_lease(
    world: World, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, asked = Work(), asyncio.Event()
    task = asyncio.create_task(Leased(world.app, "work", work, ttl_s=LONG_S).run())

    async def away(_self: EventLog, name: str, _holder: str, *, ttl_ms: int) -> bool:
        if name == "work":
            asked.set()
        raise UnavailableError("the database does not answer.")

    async def never(_self: EventLog, name: str, _holder: str, *, ttl_ms: int) -> bool:
        if name == "work":
            asked.set()
        return bool(await asyncio.get_running_loop().create_future())

    async with asyncio.timeout(PATIENCE_S):
        await work.runs.wait()
        with monkeypatch.context() as patch:
            patch.setattr(type(world.app.log), "lease", away)
            for _ in range(2):
                asked.clear()
                await asked.wait()
                assert work.runs.is_set(), "the lease has not run out yet"
            time.now_s += LONG_S + 1
            await work.ended.wait()
        await work.runs.wait()
        asked.clear()
        with monkeypatch.context() as patch:
            patch.setattr(type(world.app.log), "lease", never)
            time.now_s += LONG_S - 0.05  # so much is left of the lease when it is asked for again
            await asked.wait()
            await work.ended.wait()
    await stop(task)
    assert work.begun == 2


async def test_what_the_work_raises_is_not_swallowed(world: World) -> None:
    async def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Leased(world.app, "work", broken, ttl_s=LONG_S).run()
    assert await world.app.log.lease("work", "m8/other", ttl_ms=1_000)

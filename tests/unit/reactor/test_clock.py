"""Keys, youth and windows end in time, also on a machine that sleeps."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from unittest.mock import Mock

import msgspec
import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.reactor.timings import Clock
from tests.support.memory_store import URI
from tests.support.reactor_requests import ask
from tests.support.reactor_world import FAST, PATIENCE_S, World, looked
from tests.unit.reactor.bench import Bench
from tests.unit.reactor.bench import asked as asked_for

OVERWRITE = upload_pb2.EXPECT_OVERWRITE
LATER = {"password": b"what the user put later"}


class Machine:
    """A machine with two clocks that a test moves."""

    def __init__(self) -> None:
        self.steady, self.wall = 100.0, 1_000_000.0
        self.clock = Clock(steady=lambda: self.steady, wall=lambda: self.wall)

    def runs(self, seconds: float) -> None:
        self.steady += seconds
        self.wall += seconds


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_time_passes_as_it_does(machine: Machine) -> None:
    began = machine.clock()
    machine.runs(30)
    assert machine.clock() - began == 30


def test_a_pause_shows_in_the_wall_clock(machine: Machine) -> None:
    began = machine.clock()
    machine.runs(5)
    machine.wall += 40
    assert machine.clock() - began == 45
    machine.runs(1)
    assert machine.clock() - began == 46


def test_two_seconds_ahead_are_no_pause_and_small_steps_add_up(machine: Machine) -> None:
    began = machine.clock()
    machine.wall += 1.5
    assert machine.clock() == began
    machine.wall += 1.5
    assert machine.clock() - began == 3


def test_a_pause_shows_after_the_wall_clock_was_set_back(machine: Machine) -> None:
    began = machine.clock()
    machine.wall -= 3_600
    assert machine.clock() == began
    machine.wall += 40
    assert machine.clock() - began == 40


def test_a_clock_that_is_set_back_takes_no_time_back(machine: Machine) -> None:
    machine.wall += 40
    ahead = machine.clock()
    machine.wall -= 40
    assert machine.clock() == ahead


def test_a_process_that_is_stopped_between_two_looks_makes_no_pause(machine: Machine) -> None:
    """Only what was read at one moment can be compared."""
    began = machine.clock()

    def slowly() -> float:
        machine.runs(30)
        return machine.wall

    machine.clock._wall = slowly
    assert machine.clock() == began
    machine.clock._wall = lambda: machine.wall
    assert machine.clock() - began == 30


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="this system counts no suspended time")
def test_suspended_time_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    read = Mock(return_value=1.0)
    monkeypatch.setattr(time, "clock_gettime", read)
    Clock()()
    read.assert_called_with(time.CLOCK_BOOTTIME)


def test_each_part_that_promises_an_end_goes_by_this_clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock = Clock()
    monkeypatch.setattr("monoskope.reactor.run.Clock", lambda: clock)
    parts = Bench(tmp_path).dispatcher
    handler = parts.handler
    assert [part._now for part in (parts.keys, parts.known, handler)] == [clock] * 3
    assert [part.now for part in (parts.granter.looks, handler._copier, handler._writer)] == [clock] * 3


async def test_a_key_does_not_outlive_a_pause(machine: Machine) -> None:
    world = World(now=machine.clock)
    sealed = world.sealed()
    machine.wall += sealed.grant.lifetime_s
    await world.handler.handle(sealed)
    assert world.outcomes() == ["FAILED EXPIRED"]


async def test_a_key_is_not_young_after_a_pause(machine: Machine) -> None:
    world = World(now=machine.clock)
    await world.walk()
    ghost = world.sealed(ask(expect=OVERWRITE))
    await looked()
    await world.walk(ask(expect=OVERWRITE), LATER)
    machine.wall += 11
    await world.handler.handle(ghost)
    assert (world.outcomes()[-1], dict(world.memory.content[URI.path][-1][1])) == ("FAILED CONFLICT", LATER)


async def test_nothing_is_written_after_a_pause_between_announcement_and_write(machine: Machine) -> None:
    world = World(now=machine.clock)
    world.log.before.append(lambda: setattr(machine, "wall", machine.wall + 40))
    await world.walk()
    assert world.outcomes() == ["STARTED", "FAILED KEY_LOST"]
    assert "write" not in world.memory.calls


async def test_a_write_under_way_ends_soon_after_a_pause(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop's clock gives it three minutes; nothing waits that long here."""
    monkeypatch.setattr("monoskope.reactor.work.write._WATCH_S", 0.01)
    world = World(now=machine.clock, timings=msgspec.structs.replace(FAST, write_window=200.0))
    began = asyncio.Event()

    async def never(*_: object, **__: object) -> str:
        began.set()
        return await asyncio.Future()

    world.memory.write = never  # type: ignore[method-assign]
    walking = asyncio.create_task(world.walk())
    async with asyncio.timeout(PATIENCE_S):
        await began.wait()
        machine.wall += 240
        await walking
    assert world.outcomes() == ["STARTED", "FAILED KEY_LOST"]


async def test_a_clock_that_is_set_forward_gives_no_guess_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine = Machine()
    monkeypatch.setattr("monoskope.reactor.run.Clock", lambda: machine.clock)
    bench = Bench(tmp_path)
    bench.attach()
    ends = []
    # One subject has half of the ten an hour.
    for _ in range(11):
        machine.wall += 3_600
        bench.tell(asked := ask(upload_pb2.PURPOSE_COMPARE), 1, asked_for(asked))
        append = await bench.next()
        ends.append(which := append.WhichOneof("event"))
        bench.tell(asked, 2, getattr(append, which))
        await bench.settled()
    assert ends == ["key_provided"] * 5 + ["failed"] * 6

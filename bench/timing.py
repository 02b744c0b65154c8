"""Doing a thing many times: one at a time, or with 16 in flight; alone, or in turns with what it is compared with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from bench.counts import IN_FLIGHT
from bench.cpu import cpu_seconds
from bench.figures import p50
from bench.progress import say

ONE_BY_ONE = 20
"""How often a thing is done in one block, of those that are done one at a time."""


async def each(times: int, work: Callable[[], Awaitable[None]]) -> list[float]:
    """Return the seconds of each, made one at a time."""
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        await work()
        seconds.append(time.perf_counter() - began)
    return seconds


async def together(times: int, work: Callable[[int], Awaitable[None]]) -> float:
    """Return the seconds of all together, made with 16 in flight; `work` is told in which of the 16 lanes it is."""
    left = times

    async def lane(number: int) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await work(number)

    began = time.perf_counter()
    await asyncio.gather(*(lane(number) for number in range(IN_FLIGHT)))
    return time.perf_counter() - began


async def alone(blocks: int, works: Mapping[str, Callable[[int], Awaitable[list[float]]]]) -> dict[str, float]:
    """Return the p50 of each of `works` in seconds, measured in alternating blocks.

    Args:
        blocks: Of each; one more goes first, unmeasured.
        works: Each does a thing so many times, one at a time, and returns the seconds of each time.
    """
    took: dict[str, list[float]] = {name: [] for name in works}
    for block in range(blocks + 1):
        for name, work in works.items():
            seconds = await work(ONE_BY_ONE)
            took[name] += seconds if block else []
    found = {name: p50(seconds) for name, seconds in took.items()}
    say("  p50 of one alone: " + ", ".join(f"{name} {seconds * 1_000:.2f} ms" for name, seconds in found.items()))
    return found


@dataclass(slots=True)
class Flight:
    """A thing that is done with 16 in flight, in blocks, and what all blocks took.

    Attributes:
        work: Does it so many times, and returns the seconds of all together.
        block: How many times.
        pids: The processes whose CPU time is counted, by name.
    """

    work: Callable[[int], Awaitable[float]]
    block: int
    pids: Mapping[str, int] = field(default_factory=dict)
    times: int = 0
    seconds: float = 0.0
    cpu_s: dict[str, float] = field(default_factory=dict)

    async def do(self) -> None:
        """Do one block."""
        before = {name: cpu_seconds(pid) for name, pid in self.pids.items()}
        self.seconds += await self.work(self.block)
        self.times += self.block
        for name, pid in self.pids.items():
            self.cpu_s[name] = self.cpu_s.get(name, 0.0) + cpu_seconds(pid) - before[name]

    @property
    def per_s(self) -> float:
        """How often it is done in a second."""
        return self.times / self.seconds

    @property
    def cpu_ms(self) -> float:
        """The CPU milliseconds of one time, of all processes together."""
        return sum(self.cpu_s.values()) / self.times * 1_000


async def in_flight(blocks: int, flights: Mapping[str, Flight]) -> None:
    """Do all of `flights`, in alternating blocks; the first of each is made once more before, unmeasured."""
    for flight in flights.values():
        await flight.work(flight.block)
    for _ in range(blocks):
        for flight in flights.values():
            await flight.do()
    for name, flight in flights.items():
        cpu = ", ".join(f"{of} {seconds / flight.times * 1_000:.2f} ms" for of, seconds in flight.cpu_s.items())
        say(f"  {name}: {flight.per_s:.0f} a second{f'; CPU of one: {cpu}' if cpu else ''}")

"""Clients whose pauses take no time: how often they ask until their time is over does not depend on the machine."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from monoskope.client import Client
from monoskope.client.blocking import BlockingRuntime
from monoskope.client.blocking_client import BlockingClient
from monoskope.client.on_asyncio import AsyncioRuntime
from monoskope.client.runtime import Runtime


@dataclass
class Clock:
    """Seconds that pass while somebody sleeps, and when a test says so."""

    time: float = 1_000.0


class OnClock(AsyncioRuntime):
    """Waits on asyncio, and skips pauses."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def now(self) -> float:
        return self.clock.time

    async def sleep(self, seconds: float) -> None:
        self.clock.time += seconds
        await asyncio.sleep(0)


class BlockingOnClock(BlockingRuntime):
    """Waits by blocking, and skips pauses."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock

    def now(self) -> float:
        return self.clock.time

    async def sleep(self, seconds: float) -> None:
        self.clock.time += seconds

    def alone(self) -> BlockingOnClock:
        return BlockingOnClock(self.clock)


def clocked(kind: type[Client], clock: Clock) -> type[Client]:
    """Return a kind of client that skips pauses. What it waits for from m8 takes its time."""

    class Clocked(kind):  # type: ignore[valid-type,misc]  # either kind
        def _waits_with(self) -> Runtime:
            return BlockingOnClock(clock) if issubclass(kind, BlockingClient) else OnClock(clock)

    return Clocked

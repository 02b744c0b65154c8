"""Clients whose pauses take no time: how often they ask until their time is over does not depend on the machine."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from monoskope.client import Client, ClientSettings
from monoskope.client.runtime.blocking import BlockingRuntime
from monoskope.client.runtime.on_asyncio import AsyncioRuntime


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


Kind = Callable[..., Client]
"""Makes a client: `Client`, or `blocking_client`."""


def blocking_client(settings: ClientSettings, **given: Any) -> Client:
    """Return a client whose coroutines never suspend."""
    return Client(settings, runtime=BlockingRuntime(), **given)


def clocked(kind: Kind, clock: Clock) -> Kind:
    """Return a kind of client that skips pauses. What it waits for from m8 takes its time."""
    runtime = BlockingOnClock(clock) if kind is blocking_client else OnClock(clock)
    return functools.partial(Client, runtime=runtime)

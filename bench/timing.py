"""Doing a thing many times: one at a time, or with 16 in flight."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from bench.counts import IN_FLIGHT


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

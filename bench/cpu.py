"""Where the time of one put goes: CPU milliseconds of each process for one upload, and the round trips it takes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from bench.progress import say
from bench.uploads import Uploads
from bench.world import World, settings_of
from monoskope.client import Client
from monoskope.errors import UnavailableError

PUTS = 300


async def cpu_of_a_put(world: World) -> dict[str, float]:
    """Return the CPU milliseconds that one upload takes in each process, with 16 in flight.

    Raises:
        UnavailableError: the system does not tell; Linux does.
    """
    pids = {"client": os.getpid(), **world.cluster.pids}
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(settings_of(user))) for user in world.users]
        direct = await stack.enter_async_context(world.direct())
        uploads = Uploads(world, clients, direct.write)
        await uploads.in_flight(PUTS // 3)
        found = await spent_ms(pids, PUTS, uploads.in_flight(PUTS))
    for name, spent in found.items():
        say(f"  {name}: {spent:.1f} ms")
    return {name: round(spent, 2) for name, spent in found.items()}


def run(world: World) -> dict[str, float]:
    """Start `world` and measure."""
    world.start()
    say(f"CPU of one upload, over {PUTS}")
    return asyncio.run(cpu_of_a_put(world))


async def spent_ms(pids: Mapping[str, int], times: int, work: Awaitable[object]) -> dict[str, float]:
    """Do `work`, which is `times` the same thing, and return the CPU milliseconds of one of them in each process.

    Raises:
        UnavailableError: the system does not tell; Linux does.
    """
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    await work
    return {name: (cpu_seconds(pid) - before[name]) / times * 1_000 for name, pid in pids.items()}


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds that a process has used. Raises `UnavailableError` where the system does not tell."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        raise UnavailableError("this system does not tell the CPU time of a process.", fix="Profile on Linux.")
    fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
    ticks = os.sysconf("SC_CLK_TCK")
    return (int(fields[11]) + int(fields[12])) / ticks

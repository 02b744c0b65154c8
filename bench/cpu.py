"""Where the time of one put goes: CPU milliseconds of each process for one upload, and the round trips it takes."""

from __future__ import annotations

import asyncio
import os
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
        before = {name: cpu_s(pid) for name, pid in pids.items()}
        await uploads.in_flight(PUTS)
        found = {name: (cpu_s(pid) - before[name]) / PUTS * 1_000 for name, pid in pids.items()}
    for name, spent in found.items():
        say(f"  {name}: {spent:.1f} ms")
    return {name: round(spent, 2) for name, spent in found.items()}


def run(world: World) -> dict[str, float]:
    """Start `world` and measure."""
    world.start()
    say(f"CPU of one upload, over {PUTS}")
    return asyncio.run(cpu_of_a_put(world))


def cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process has taken. Raises `UnavailableError` where the system does not tell."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        raise UnavailableError("this system does not tell the CPU time of a process.", fix="Profile on Linux.")
    fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
    ticks = os.sysconf("SC_CLK_TCK")
    return (int(fields[11]) + int(fields[12])) / ticks

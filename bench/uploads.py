"""The SDK beside direct writes: one at a time, and 16 in flight; and memory after few uploads and after many.

New paths, and updates: puts onto paths that exist, each of which makes a new version, as the rotation of a password
does. A direct update names the version that it replaces, as the reactor does.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from bench.counts import IN_FLIGHT, Counts
from bench.cpu import cpu_seconds
from bench.direct import Direct
from bench.figures import mib, p50, rss_bytes
from bench.progress import say
from bench.timing import each, together
from bench.world import VALUES, World, put, settings_of
from monoskope.client import Client

_ONE_BY_ONE = 20
"""Puts, and direct writes, in one block of those that are made one at a time."""

Work = Callable[[int], Awaitable[None]]
"""Does a thing once, in one of 16 lanes."""


@dataclass(slots=True)
class Uploads:
    """Puts and writes in `world`, counted. Each lane puts as another user."""

    world: World
    clients: Sequence[Client]
    direct: Direct
    made: int = 0
    _updated: dict[int, str] = field(default_factory=dict)
    """The path that each lane updates."""
    _versions: dict[int, int] = field(default_factory=dict)
    """The version at the path that each lane updates directly."""

    async def put(self, lane: int) -> None:
        """Put the values at a new path."""
        self.made += 1
        await put(self.clients[lane], self.world.path())

    async def write(self, _lane: int) -> None:
        """Write the values to a new path without Monoskope."""
        await self.direct.write(self.world.path())

    async def update(self, lane: int) -> None:
        """Put another password at the lane's path."""
        self.made += 1
        path = self._updated.setdefault(lane, self.world.path())
        await put(self.clients[lane], path, {**VALUES, "password": os.urandom(14).hex().encode()})

    async def write_update(self, lane: int) -> None:
        """Write a new version at the lane's other path, without Monoskope."""
        version = self._versions.get(lane, 0)
        await self.direct.write(f"direct-update/{lane}", version=version)
        self._versions[lane] = version + 1

    async def in_flight(self, puts: int) -> float:
        """Put to new paths with 16 in flight, and return the seconds of all together."""
        return await together(puts, self.put)


@asynccontextmanager
async def opened(world: World) -> AsyncIterator[Uploads]:
    """Open a client for each user of `world`, and the direct way."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(settings_of(user))) for user in world.users]
        yield Uploads(world, clients, await stack.enter_async_context(world.direct()))


async def measure(world: World, counts: Counts) -> dict[str, float]:
    """Return ratios of puts and updates to direct writes, the puts of one core of m8, and the memory of both."""
    async with opened(world) as uploads:
        say(f"memory: {counts.few_uploads} uploads")
        await uploads.in_flight(counts.few_uploads)
        found = {f"{name}_at_100": size for name, size in _memory(world).items()}
        found["put_latency_ratio"] = await _latency("put", uploads.put, uploads.write, counts.blocks)
        found |= await _updates(uploads, counts)
        block = max(IN_FLIGHT, -(-(counts.uploads - uploads.made) // counts.blocks))
        found |= await _throughput(uploads, counts.blocks, block)
        say(f"memory: {uploads.made} uploads")
        return found | _memory(world)


async def _updates(uploads: Uploads, counts: Counts) -> dict[str, float]:
    # The first of each lane is no update.
    await together(IN_FLIGHT * 2, uploads.update)
    await together(IN_FLIGHT * 2, uploads.write_update)
    latency = await _latency("update", uploads.update, uploads.write_update, counts.blocks)
    updating = writing = 0.0
    for _ in range(counts.blocks):
        updating += await together(counts.update_block, uploads.update)
        writing += await together(counts.update_block, uploads.write_update)
    total = counts.blocks * counts.update_block
    say(f"  {total / updating:.0f} updates/s, {total / writing:.0f} direct updates/s")
    return {"update_latency_ratio": latency, "update_throughput_ratio": writing / updating}


async def _latency(name: str, work: Work, direct: Work, blocks: int) -> float:
    say(f"latency, {name}: {blocks} alternating blocks of {_ONE_BY_ONE}")
    ours: list[float] = []
    theirs: list[float] = []
    await each(_ONE_BY_ONE, lambda: direct(0))
    for _ in range(blocks):
        ours += await each(_ONE_BY_ONE, lambda: work(0))
        theirs += await each(_ONE_BY_ONE, lambda: direct(0))
    say(f"  {name} {p50(ours) * 1_000:.1f} ms, direct {p50(theirs) * 1_000:.2f} ms (p50)")
    return p50(ours) / p50(theirs)


async def _throughput(uploads: Uploads, blocks: int, block: int) -> dict[str, float]:
    say(f"throughput, {IN_FLIGHT} in flight: {blocks} alternating blocks of {block}")
    putting = writing = cpu = 0.0
    m8 = uploads.world.m8_pid
    await together(block, uploads.write)
    for _ in range(blocks):
        before = cpu_seconds(m8)
        putting += await uploads.in_flight(block)
        cpu += cpu_seconds(m8) - before
        writing += await together(block, uploads.write)
    total = blocks * block
    say(
        f"  {total / putting:.0f} uploads/s, {total / writing:.0f} direct writes/s, m8 {cpu / total * 1e3:.2f} ms a put"
    )
    return {"throughput_ratio": writing / putting, "puts_per_core_of_m8": total / cpu}


def _memory(world: World) -> dict[str, float]:
    found = {"m8_rss_mib": mib(rss_bytes(world.m8_pid)), "reactor_rss_mib": mib(rss_bytes(world.reactor_pid))}
    say(f"  m8 {found['m8_rss_mib']} MiB, reactor {found['reactor_rss_mib']} MiB")
    return found

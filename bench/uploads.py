"""The SDK beside direct writes: one at a time, and 16 in flight; and memory after few uploads and after many."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from bench.counts import IN_FLIGHT, Counts
from bench.figures import mib, p50, rss_bytes
from bench.progress import say
from bench.timing import each, together
from bench.world import World, put, settings_of
from monoskope.client import Client

_ONE_BY_ONE = 20
"""Puts, and direct writes, in one block of those that are made one at a time."""


@dataclass(slots=True)
class Uploads:
    """Puts and writes in `world`, counted."""

    world: World
    clients: Sequence[Client]
    write: Callable[[str], Awaitable[None]]
    made: int = 0

    async def one_by_one(self, puts: int) -> list[float]:
        """Put one at a time over a warm connection and return the seconds of each."""
        self.made += puts
        return await each(puts, lambda: put(self.clients[0], self.world.path()))

    async def direct_one_by_one(self, writes: int) -> list[float]:
        """Write one at a time over a warm connection and return the seconds of each."""
        return await each(writes, lambda: self.write(self.world.path()))

    async def in_flight(self, puts: int) -> float:
        """Put with 16 in flight, each of another user, and return the seconds of all together."""
        self.made += puts
        return await together(puts, lambda lane: put(self.clients[lane], self.world.path()))

    async def direct_in_flight(self, writes: int) -> float:
        """Write with 16 in flight and return the seconds of all together."""
        return await together(writes, lambda _: self.write(self.world.path()))


async def measure(world: World, counts: Counts) -> dict[str, float]:
    """Return put_latency_ratio, throughput_ratio and the memory of m8 and reactor."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(settings_of(user))) for user in world.users]
        direct = await stack.enter_async_context(world.direct())
        uploads = Uploads(world, clients, direct.write)
        say(f"memory: {counts.few_uploads} uploads")
        await uploads.in_flight(counts.few_uploads)
        found = {f"{name}_at_100": size for name, size in _memory(world).items()}
        found["put_latency_ratio"] = await _latency(uploads, counts.blocks)
        found["throughput_ratio"] = await _throughput(uploads, counts)
        say(f"memory: {uploads.made} uploads")
        return found | _memory(world)


async def _latency(uploads: Uploads, blocks: int) -> float:
    say(f"latency: {blocks} alternating blocks of {_ONE_BY_ONE}")
    puts: list[float] = []
    writes: list[float] = []
    await uploads.direct_one_by_one(_ONE_BY_ONE)
    for _ in range(blocks):
        puts += await uploads.one_by_one(_ONE_BY_ONE)
        writes += await uploads.direct_one_by_one(_ONE_BY_ONE)
    say(f"  put {p50(puts) * 1_000:.1f} ms, direct write {p50(writes) * 1_000:.2f} ms (p50)")
    return p50(puts) / p50(writes)


async def _throughput(uploads: Uploads, counts: Counts) -> float:
    block = max(IN_FLIGHT, -(-(counts.uploads - uploads.made) // counts.blocks))
    say(f"throughput, {IN_FLIGHT} in flight: {counts.blocks} alternating blocks of {block}")
    putting = writing = 0.0
    await uploads.direct_in_flight(block)
    for _ in range(counts.blocks):
        putting += await uploads.in_flight(block)
        writing += await uploads.direct_in_flight(block)
    total = counts.blocks * block
    say(f"  {total / putting:.0f} uploads/s, {total / writing:.0f} direct writes/s")
    return writing / putting


def _memory(world: World) -> dict[str, float]:
    found = {"m8_rss_mib": mib(rss_bytes(world.m8_pid)), "reactor_rss_mib": mib(rss_bytes(world.reactor_pid))}
    say(f"  m8 {found['m8_rss_mib']} MiB, reactor {found['reactor_rss_mib']} MiB")
    return found

"""The SDK beside direct writes: one at a time, and 16 in flight; and memory after few uploads and after many.

New paths, and updates: puts onto paths that exist, each of which makes a new version, as the rotation of a password
does. A direct update names the version that it replaces, as the reactor does.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from bench.counts import IN_FLIGHT, Counts
from bench.direct import Direct
from bench.figures import mib, rss_bytes
from bench.floor import Bare
from bench.progress import say
from bench.timing import ONE_BY_ONE, Flight, alone, each, in_flight, together
from bench.world import VALUES, World, put, settings_of
from monoskope.client import Client
from monoskope.testing.cluster import PREFIX

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


@asynccontextmanager
async def opened(world: World) -> AsyncIterator[Uploads]:
    """Open a client for each user of `world`, and the direct way."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(settings_of(user))) for user in world.users]
        yield Uploads(world, clients, await stack.enter_async_context(world.direct()))


async def measure(world: World, counts: Counts, floors: Mapping[str, Bare]) -> dict[str, float]:
    """Return ratios of puts and updates to direct writes and to bare puts, and the memory of m8 and reactor.

    Args:
        world: Runs.
        counts: How much.
        floors: What makes bare puts, by the end of the name of its figures.
    """
    async with opened(world) as uploads:
        say(f"first {counts.few_uploads} uploads")
        await together(counts.few_uploads, uploads.put)
        found = await _latency(uploads, counts, floors)
        found |= await _updates(uploads, counts)
        found |= await _throughput(uploads, counts, floors)
        found |= await _requests(uploads)
        say(f"memory: {uploads.made} uploads")
        return found | _memory(world)


def _one_by_one(work: Work) -> Callable[[int], Awaitable[list[float]]]:
    return lambda times: each(times, lambda: work(0))


async def _latency(uploads: Uploads, counts: Counts, floors: Mapping[str, Bare]) -> dict[str, float]:
    say(f"latency: {counts.blocks} alternating blocks of {ONE_BY_ONE}")
    bare = {name: floor.alone for name, floor in floors.items()}
    ours = {"put": _one_by_one(uploads.put), "direct": _one_by_one(uploads.write)}
    took = await alone(counts.blocks, ours | bare)
    ratios = {f"put_latency_{name}": took["put"] / took[name] for name in floors}
    return ratios | {"put_latency_ratio": took["put"] / took["direct"]}


async def _updates(uploads: Uploads, counts: Counts) -> dict[str, float]:
    # The first of each lane is no update.
    await together(IN_FLIGHT * 2, uploads.update)
    await together(IN_FLIGHT * 2, uploads.write_update)
    say(f"updates: {counts.blocks} alternating blocks of {ONE_BY_ONE}, then of {counts.update_block}")
    ours = {"update": _one_by_one(uploads.update), "direct": _one_by_one(uploads.write_update)}
    took = await alone(counts.blocks, ours)
    updates, writes = (
        Flight(partial(together, work=work), counts.update_block) for work in (uploads.update, uploads.write_update)
    )
    await in_flight(counts.blocks, {"updates": updates, "direct updates": writes})
    return {
        "update_latency_ratio": took["update"] / took["direct"],
        "update_throughput_ratio": updates.per_s / writes.per_s,
    }


async def _throughput(uploads: Uploads, counts: Counts, floors: Mapping[str, Bare]) -> dict[str, float]:
    world = uploads.world
    block = max(IN_FLIGHT, -(-(counts.uploads - uploads.made) // (counts.blocks + 1)))
    say(f"throughput, {IN_FLIGHT} in flight: {counts.blocks} alternating blocks of {block}")
    puts = Flight(partial(together, work=uploads.put), block, {"m8": world.m8_pid, "reactor": world.reactor_pid})
    writes = Flight(partial(together, work=uploads.write), block)
    bare = {name: Flight(floor.together, counts.floor_block, floor.served_by) for name, floor in floors.items()}
    await in_flight(counts.blocks, {"puts": puts, "direct": writes} | bare)
    found = {"throughput_ratio": puts.per_s / writes.per_s, "puts_per_core_of_m8": puts.times / puts.cpu_s["m8"]}
    for name, floor in bare.items():
        found |= {f"throughput_{name}": puts.per_s / floor.per_s, f"cpu_{name}": puts.cpu_ms / floor.cpu_ms}
    return found


async def _requests(uploads: Uploads) -> dict[str, float]:
    """Return how many requests the engine gets for a put and for an update, by its own audit log."""
    log, found = uploads.world.cluster.bao.audit_log, {}
    paths = [uploads.world.path() for _ in range(ONE_BY_ONE)]
    for what, password in (("put", b"first"), ("update", b"second")):
        size = log.stat().st_size
        for path in paths:
            await put(uploads.clients[0], path, {**VALUES, "password": password})
        said = map(json.loads, log.read_bytes()[size:].splitlines())
        asked = [one["request"]["path"] for one in said if one["type"] == "request"]
        found[f"{what}_engine_requests"] = sum(path.partition(f"{PREFIX}/")[2] in paths for path in asked) / len(paths)
    say(f"requests to the engine: {found}")
    return found


def _memory(world: World) -> dict[str, float]:
    found = {"m8_rss_mib": mib(rss_bytes(world.m8_pid)), "reactor_rss_mib": mib(rss_bytes(world.reactor_pid))}
    say(f"  m8 {found['m8_rss_mib']} MiB, reactor {found['reactor_rss_mib']} MiB")
    return found

"""Puts a second through one, two and three m8 on one PostgreSQL database, 16 in flight, shared among all that run."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import count
from os import urandom
from pathlib import Path

from bench.cpu import family_seconds
from bench.progress import say
from bench.scale.records import STORE
from bench.scale.seed import Seed
from bench.scale.sizes import Sizes
from bench.scale.world import VALUES, World
from bench.timing import together
from monoskope.client import Client
from monoskope.settings import write_private
from monoskope.testing.parts import Part, free_port, listens

MOST = 3
"""m8 processes."""

_USER = "user-0"


class Replicas:
    """The m8 of a world and others beside it, all on the world's database."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.servers = [world.server, *(f"127.0.0.1:{free_port()}" for _ in range(MOST - 1))]
        self.parts: list[Part] = []
        for number, server in enumerate(self.servers[1:], start=2):
            _copy(world, world.folder / "m8", world.folder / f"m8-{number}", server)
            _copy(world, world.folder / _USER, world.folder / f"{_USER}-{number}", server)

    def start(self, replicas: int) -> None:
        """Start or stop m8 processes until so many run, the world's own among them."""
        while len(self.parts) > replicas - 1:
            self.parts.pop().stop()
        while len(self.parts) < replicas - 1:
            number = len(self.parts) + 2
            part = self.world.part(f"m8-{number}", "serve", "--dir", f"m8-{number}")
            self.parts.append(part)
            part.start()
            server = self.servers[number - 1]
            part.wait_for(lambda server=server: listens(server))  # type: ignore[misc]

    def stop(self) -> None:
        """Stop all but the world's own."""
        self.start(1)

    def users(self, replicas: int) -> list[str]:
        """Return the folders of the user who dials each of so many m8."""
        return [_USER, *(f"{_USER}-{number}" for number in range(2, replicas + 1))]


def _copy(world: World, source: Path, target: Path, server: str) -> None:
    """Copy a folder of m8 or of a user, for another port."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("address", "*.log"))
    for name in ("m8.toml", "config.toml", "known_stores"):
        for file in target.rglob(name):
            write_private(file, file.read_bytes().replace(world.server.encode(), server.encode()), replace=True)


def measure(seed: Seed, database_pid: int, sizes: Sizes) -> dict[str, float]:
    """Return the figures, measured in alternating blocks.

    The processes share the cores of one machine, so a ratio compares CPU and not time: that of all m8 and of the
    database for a put through one m8, divided by the same through several.
    """
    seconds, cpu_s = (dict.fromkeys(range(1, MOST + 1), 0.0) for _ in range(2))
    with World(seed.folder) as world:
        replicas = Replicas(world)
        try:
            for _ in range(sizes.replica_blocks):
                for number in seconds:
                    replicas.start(number)
                    pids = [part.pid or 0 for part in (world.m8, *replicas.parts)]
                    took = asyncio.run(_puts(world, replicas.users(number), sizes.replica_puts, [*pids, database_pid]))
                    seconds[number] += took[0]
                    cpu_s[number] += took[1]
        finally:
            replicas.stop()
    puts = sizes.replica_blocks * sizes.replica_puts
    for number, took_s in seconds.items():
        say(f"  {number} m8: {puts / took_s:.0f} puts/s, CPU of m8 and database {cpu_s[number] / puts * 1_000:.1f} ms")
    found = {f"replicas_{number}_puts_per_s": puts / took_s for number, took_s in seconds.items()}
    return found | {f"replicas_{number}_ratio": cpu_s[1] / cpu_s[number] for number in seconds if number > 1}


async def _puts(world: World, users: Sequence[str], puts: int, pids: Sequence[int]) -> tuple[float, float]:
    """Put through the m8 of each of `users`, and return the seconds, and the CPU seconds of `pids`."""
    run, numbers = urandom(4).hex(), count()
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(world.settings(user))) for user in users]

        async def put(lane: int) -> None:
            await clients[lane % len(clients)].put_secret(f"{STORE}://bench-{run}/{next(numbers)}", VALUES)

        await together(puts // 2, put)  # an m8 that has just started is slower
        before = sum(map(family_seconds, pids))
        return await together(puts, put), sum(map(family_seconds, pids)) - before

"""Puts a second through one, two and three m8 on one PostgreSQL database, 16 in flight, shared among all that run."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import count
from os import urandom
from pathlib import Path

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


def measure(seed: Seed, sizes: Sizes) -> dict[str, float]:
    """Return the figures, measured in alternating blocks."""
    seconds = dict.fromkeys(range(1, MOST + 1), 0.0)
    with World(seed.folder) as world:
        replicas = Replicas(world)
        try:
            for _ in range(sizes.replica_blocks):
                for number in seconds:
                    replicas.start(number)
                    seconds[number] += asyncio.run(_puts(world, replicas.users(number), sizes.replica_puts))
        finally:
            replicas.stop()
    puts = sizes.replica_blocks * sizes.replica_puts
    found = {f"replicas_{number}_puts_per_s": puts / took for number, took in seconds.items()}
    say("  " + ", ".join(f"{number} m8: {puts / took:.0f} puts/s" for number, took in seconds.items()))
    return found | {f"replicas_{number}_ratio": seconds[1] / seconds[number] for number in seconds if number > 1}


async def _puts(world: World, users: Sequence[str], puts: int) -> float:
    run, numbers = urandom(4).hex(), count()
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(world.settings(user))) for user in users]

        async def put(lane: int) -> None:
            await clients[lane % len(clients)].put_secret(f"{STORE}://bench-{run}/{next(numbers)}", VALUES)

        await asyncio.gather(
            *(client.put_secret(f"{STORE}://bench-{run}/{next(numbers)}", VALUES) for client in clients)
        )
        return await together(puts, put)

"""Every engine that really runs here: puts into it through m8 and a reactor, beside direct writes to it.

Barbican is a server, as OpenBao is, and the puts of both are measured over TLS. The age files and the password store
lie in folders: there the direct way is what a program without Monoskope would do, to encrypt with the same library or
program and to write durably. Kubernetes and AWS are not measured, for no real one runs here.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path

import aiohttp
import pyrage

from bench.counts import IN_FLIGHT, Counts
from bench.progress import say
from bench.timing import Flight, alone, each, in_flight, together
from bench.world import STORE, VALUES, World, settings_of
from monoskope.client import Client
from monoskope.testing.engines.barbican import Barbican
from monoskope.testing.engines.gnupg import ANNA, keys

NAMES = (STORE, "age", "barbican", "pass")
"""The engines, each also the name of its store."""

_PLAIN = json.dumps({key: value.decode() for key, value in VALUES.items()}).encode()
_PASS_PLAIN = VALUES["password"] + b"\nusername: " + VALUES["username"] + b"\n"

Write = Callable[[str], Awaitable[None]]


def figures() -> list[str]:
    """Return the names of what `measure` finds, in its order."""
    return [f"{name}_{figure}" for name in NAMES for figure in _FIGURES]


_FIGURES = ("puts_per_s", "direct_per_s", "put_p50_ms", "direct_p50_ms")


async def measure(world: World, counts: Counts) -> dict[str, float]:
    """Return puts and direct writes a second, 16 in flight, and the p50 of each made alone, for each engine."""
    with ExitStack() as servers:
        async with AsyncExitStack() as stack:
            direct = await stack.enter_async_context(world.direct())
            barbican = await stack.enter_async_context(_barbican(world, servers))
            writes = (direct.write, _age(world), barbican, _pass(world, servers))
            prefixes = [f"{name}://bench" for name in NAMES]
            user = world.cluster.add_user("engines", prefixes=prefixes)
            client = await stack.enter_async_context(Client(settings_of(user)))
            found: dict[str, float] = {}
            for name, write in zip(NAMES, writes, strict=True):
                found |= await _measured(world, client, name, write, counts)
            return found


async def _measured(world: World, client: Client, name: str, write: Write, counts: Counts) -> dict[str, float]:
    say(f"engine {name}: {counts.engine_blocks} alternating blocks of {counts.engine_block}")

    async def put(_lane: int = 0) -> None:
        await client.put_secret(f"{name}://{world.path()}", VALUES)

    async def direct(_lane: int = 0) -> None:
        await write(world.path())

    took = await alone(counts.engine_blocks, {"put": partial(each, work=put), "direct": partial(each, work=direct)})
    puts, writes = (Flight(partial(together, work=work), counts.engine_block) for work in (put, direct))
    await in_flight(counts.engine_blocks, {"puts": puts, "direct writes": writes})
    found = (puts.per_s, writes.per_s, took["put"] * 1_000, took["direct"] * 1_000)
    return {f"{name}_{figure}": value for figure, value in zip(_FIGURES, found, strict=True)}


def _start(world: World, name: str, kind: str, engine: dict[str, object]) -> Path:
    cluster = world.cluster
    home = cluster.make_reactor(name, kind, engine)
    world.raise_limits(home / "reactor.toml")
    cluster.join_store(name, key_of=f"reactor-{STORE}")
    return home


def _age(world: World) -> Write:
    _start(world, "age", "age", {})
    folder = world.cluster.folder / "direct-age"
    folder.mkdir()
    recipient = pyrage.x25519.Identity.generate().to_public()

    def write(number: int) -> None:
        _keep(folder / f"{number}.age", pyrage.encrypt(_PLAIN, [recipient]))

    numbers = count()
    return lambda _path: asyncio.to_thread(write, next(numbers))


def _pass(world: World, servers: ExitStack) -> Write:
    made = servers.enter_context(keys())
    store, folder = world.cluster.folder / "password-store", world.cluster.folder / "direct-pass"
    for one in (store, folder):
        one.mkdir(mode=0o700)
    (store / ".gpg-id").write_text(f"{ANNA}\n", encoding="ascii")
    _start(world, "pass", "pass", {"folder": str(store), "gpg_home": str(made.public)})
    numbers = count()

    async def write(_path: str) -> None:
        options = ("--homedir", str(made.public), "--batch", "--quiet", "--trust-model=always", "--no-random-seed-file")
        process = await asyncio.create_subprocess_exec(
            *("gpg", *options, "--encrypt", "--recipient", ANNA),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        sealed, _ = await process.communicate(_PASS_PLAIN)
        await asyncio.to_thread(_keep, folder / f"{next(numbers)}.gpg", sealed)

    return write


def _keep(file: Path, data: bytes) -> None:
    """Write a new file so that it survives a power failure."""
    scratch = file.with_suffix(".new")
    with scratch.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    scratch.rename(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@asynccontextmanager
async def _barbican(world: World, servers: ExitStack) -> AsyncIterator[Write]:
    barbican = servers.enter_context(Barbican(world.cluster.folder / "barbican"))
    engine: dict[str, object] = {
        "address": barbican.address,
        "ca_file": str(barbican.ca_file),
        "auth": {"method": "none", "project_id": barbican.project},
    }
    _start(world, "barbican", "barbican", engine)
    tls = ssl.create_default_context(cafile=barbican.ca_file)
    body = {"payload": _PLAIN.decode(), "payload_content_type": "text/plain"}
    headers = {"X-Project-Id": barbican.project, "Accept": "application/json"}
    # gunicorn closes idle connections after 2 s.
    connector = aiohttp.TCPConnector(limit=IN_FLIGHT, ssl=tls, keepalive_timeout=1.0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def write(path: str) -> None:
            named = body | {"name": f"{path}-{secrets.token_hex(8)}"}
            async with session.post(f"{barbican.address}/v1/secrets", json=named) as answer:
                answer.raise_for_status()
                await answer.read()

        yield write

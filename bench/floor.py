"""How far down a put could go: the same calls, messages, cryptography, forced writes and requests, and nothing else.

Three bare processes do what the protocol has client, m8 and reactor do, with the same libraries and sizes, over TLS on
the same OpenBao. No request is checked, no rule decided, no read model kept, nothing logged; so nothing that is done in
m8, reactor or client can bring a put below this, whatever it is written in, but another transport or protocol.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import grpc.aio

from bench.bare import ASK, ID_BYTES, SERVICE, UPLOAD, Cryptography, Step
from bench.counts import IN_FLIGHT
from bench.cpu import cpu_s
from bench.figures import p50
from bench.progress import say
from bench.timing import each, together
from bench.world import VALUES, World
from monoskope.m8 import tls
from monoskope.settings import write_private
from monoskope.testing.cluster import MOUNT, PREFIX
from monoskope.testing.parts import Part, free_port, listens

_BLOCKS = 8
_ONE_BY_ONE = 25
_IN_FLIGHT_PUTS = 1_500
_REQUEST = bytes(200)

Rung = tuple[str, tuple[Step, ...]]
"""A name, and the steps that a put does."""

_LADDER: tuple[Rung, ...] = (
    ("calls", ()),
    ("cryptography", (Step.CRYPTOGRAPHY,)),
    ("disk", (Step.CRYPTOGRAPHY, Step.DISK)),
    ("engine", (Step.CRYPTOGRAPHY, Step.DISK, Step.ENGINE)),
)
"""Each rung is the one before it and one step more; the last is the whole put."""

Put = Callable[[int], Awaitable[None]]
Call = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]


def ladder(folder: Path, world: World) -> dict[str, float]:
    """Return each rung's p50 of a put and CPU of all processes, in milliseconds, and the last one's ratios."""
    say("starting OpenBao alone")
    world.start_engine()
    found: dict[str, float] = {}
    for rung in _LADDER:
        found |= _climb(folder, world, rung)
    return found


def ratios(folder: Path, world: World) -> dict[str, float]:
    """Return floor_put_latency_ratio and floor_throughput_ratio, beside everything else in a `world` that runs."""
    say("floor: the same calls, messages, cryptography, forced writes and requests with nothing in them")
    found = _climb(folder, world, _LADDER[-1])
    return {name: figure for name, figure in found.items() if name.startswith("floor_")}


def _climb(folder: Path, world: World, rung: Rung) -> dict[str, float]:
    name, steps = rung
    home = folder / f"bare-{name}"
    home.mkdir(mode=0o700)
    with _parts(home, world, steps) as (port, parts):
        roots = grpc.ssl_channel_credentials((home / "ca.crt").read_bytes())
        return asyncio.run(_measure(rung, roots, port, parts, world))


@contextlib.contextmanager
def _parts(home: Path, world: World, steps: Sequence[Step]) -> Iterator[tuple[int, dict[str, Part]]]:
    made = tls.make((), now=dt.datetime.now(dt.UTC))
    files = {"ca.crt": made.ca, "tls.crt": made.certificate, "tls.key": made.key}
    engine = {
        "ca_file": str(world.cluster.bao.ca_file),
        "token": world.direct_environment["BAO_TOKEN"],
        "mount": f"{world.cluster.bao.address}/v1/{MOUNT}",
        "prefix": PREFIX,
        "values": {key: value.decode() for key, value in VALUES.items()},
    }
    for name, content in (files | {"engine.json": json.dumps(engine).encode()}).items():
        write_private(home / name, content)
    port = free_port()
    middle = _part("bare_m8", home, [home, port, *steps])
    reactor = _part("bare_reactor", home, [home, port, *steps])
    try:
        middle.start()
        middle.wait_for(lambda: listens(f"127.0.0.1:{port}"))
        reactor.start()
        yield port, {"m8": middle, "reactor": reactor}
    finally:
        reactor.kill()
        middle.kill()


def _part(module: str, home: Path, arguments: Sequence[object]) -> Part:
    return Part(
        module,
        [sys.executable, "-m", f"bench.{module}", *map(str, arguments)],
        log=home / f"{module}.log",
        folder=Path(__file__).parent.parent,
        environment={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home)},
    )


async def _measure(
    rung: Rung, roots: grpc.ChannelCredentials, port: int, parts: dict[str, Part], world: World
) -> dict[str, float]:
    name, steps = rung
    pids = {"client": os.getpid()} | {part: process.pid for part, process in parts.items() if process.pid}
    pids["openbao"] = world.cluster.pids["openbao"]
    async with AsyncExitStack() as stack:
        put = await _client(stack, roots, port, Cryptography(on=Step.CRYPTOGRAPHY in steps))
        direct = await stack.enter_async_context(world.direct())
        await together(_IN_FLIGHT_PUTS // 10, put)
        puts, writes = [], []
        for _ in range(_BLOCKS):
            puts += await each(_ONE_BY_ONE, lambda: put(0))
            writes += await each(_ONE_BY_ONE, lambda: direct.write(world.path()))
        before = {part: cpu_s(pid) for part, pid in pids.items()}
        putting = await together(_IN_FLIGHT_PUTS, put)
        cpu = {part: (cpu_s(pid) - before[part]) / _IN_FLIGHT_PUTS * 1_000 for part, pid in pids.items()}
        writing = await together(_IN_FLIGHT_PUTS, lambda _: direct.write(world.path()))
    latency, throughput = p50(puts) / p50(writes), writing / putting
    say(f"{name}: put {p50(puts) * 1_000:.1f} ms, {latency:.1f} times a direct write; {throughput:.2f} of its rate")
    say("  CPU of one put, 16 in flight: " + ", ".join(f"{part} {spent:.2f} ms" for part, spent in cpu.items()))
    found = {f"{name}_put_ms": p50(puts) * 1_000, f"{name}_cpu_ms": sum(cpu.values())}
    if name == _LADDER[-1][0]:
        found |= {"floor_put_latency_ratio": latency, "floor_throughput_ratio": throughput}
    return found


async def _client(stack: AsyncExitStack, roots: grpc.ChannelCredentials, port: int, cryptography: Cryptography) -> Put:
    """Return what puts once in one of 16 lanes, each with a connection of its own, as 16 users have."""
    own = (("grpc.use_local_subchannel_pool", 1),)
    calls: list[tuple[Call, Call]] = []
    for _ in range(IN_FLIGHT):
        channel = grpc.aio.secure_channel(f"127.0.0.1:{port}", roots, options=own)
        await stack.enter_async_context(channel)
        ask: Call = channel.unary_unary(f"/{SERVICE}/{ASK}")
        upload: Call = channel.unary_unary(f"/{SERVICE}/{UPLOAD}")
        calls.append((ask, upload))

    async def put(lane: int) -> None:
        ask, upload = calls[lane]
        request_id = os.urandom(ID_BYTES)
        grant = cryptography.verified(await ask(request_id + _REQUEST))
        cryptography.verified(await upload(request_id + cryptography.seal(grant)))

    return put

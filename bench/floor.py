"""How far down a put could go: the same calls, messages, cryptography, forced writes and requests, and nothing else.

Three bare processes do what the protocol has client, m8 and reactor do, with the same libraries, over TLS, beside the
same OpenBao. No request is checked, no rule decided, no read model kept, nothing logged; so whatever m8, reactor and
client do better in between, a put stays above this. Below it there are only another protocol, transport or language.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import bare_http
from bench.bare import ASK, ID_BYTES, UPLOAD, Cryptography, Step
from bench.counts import IN_FLIGHT, Counts
from bench.cpu import spent_ms
from bench.figures import p50
from bench.progress import say
from bench.timing import each, together
from bench.world import World
from monoskope.errors import UnavailableError
from monoskope.http.client.destination import ExchangeError
from monoskope.m8.http import tls
from monoskope.settings import write_private
from monoskope.testing.parts import Part, free_port, listens

_ONE_BY_ONE = 20
"""Bare puts, and direct writes, in one block of those that are made one at a time."""
_PATIENCE_S = 30.0
_REQUEST = bytes(200)

Dial = Callable[[], contextlib.AbstractAsyncContextManager["Call"]]
"""Opens a connection of its own."""

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
Call = Callable[[str, bytes, float], Awaitable[bytes]]
"""Calls a method by its name, with a request, within some seconds."""


def ladder(folder: Path, world: World, counts: Counts) -> dict[str, float]:
    """Return each rung's p50 of a put and CPU of all processes, in milliseconds, and the last one's ratios.

    Raises:
        UnavailableError: a part fails, or the system does not tell the CPU time of a process; Linux does.
    """
    say("starting OpenBao alone")
    world.start_engine()
    found: dict[str, float] = {}
    for rung in _LADDER:
        found |= _climb(folder, world, counts, rung, with_cpu=True)
    return found


def ratios(folder: Path, world: World, counts: Counts) -> dict[str, float]:
    """Return floor_put_latency_ratio and floor_throughput_ratio, beside the engine of a `world` that runs.

    Raises:
        UnavailableError: a part fails.
    """
    say("floor: the same calls, messages, cryptography, forced writes and requests with nothing in between")
    return _climb(folder, world, counts, _LADDER[-1], with_cpu=False)


def _climb(folder: Path, world: World, counts: Counts, rung: Rung, *, with_cpu: bool) -> dict[str, float]:
    name, steps = rung
    home = folder / f"bare-{name}"
    home.mkdir(mode=0o700, parents=True)
    with _parts(home, world, steps) as (port, parts):
        pids = {part.name: part.pid for part in parts if part.pid} if with_cpu else {}
        try:
            return asyncio.run(_measure(rung, lambda: bare_http.calls(home, port), pids, world, counts))
        except ExchangeError as error:
            said = " / ".join(f"{part.name}: {part.last_words()}" for part in parts)
            raise UnavailableError(f"a bare put ended with {type(error).__name__}. {said}") from None


@contextlib.contextmanager
def _parts(home: Path, world: World, steps: Sequence[Step]) -> Iterator[tuple[int, list[Part]]]:
    made = tls.make((), now=dt.datetime.now(dt.UTC))
    files = {"ca.crt": made.ca, "tls.crt": made.certificate, "tls.key": made.key}
    for name, content in (files | {"engine.json": json.dumps(asdict(world.place)).encode()}).items():
        write_private(home / name, content)
    port = free_port()
    middle = _part("bare_m8", home, [home, port, *steps])
    reactor = _part("bare_reactor", home, [home, port, *steps])
    try:
        middle.start()
        middle.wait_for(lambda: listens(f"127.0.0.1:{port}"))
        reactor.start()
        yield port, [middle, reactor]
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


@dataclass(frozen=True, slots=True)
class Bare:
    """Bare puts and direct writes, made in turn."""

    put: Put
    write: Put
    counts: Counts

    async def one_by_one(self) -> tuple[float, float]:
        """Return the p50 of a put and of a write, in seconds."""
        puts, writes = [], []
        for _ in range(self.counts.blocks):
            puts += await each(_ONE_BY_ONE, lambda: self.put(0))
            writes += await each(_ONE_BY_ONE, lambda: self.write(0))
        return p50(puts), p50(writes)

    async def in_flight(self) -> tuple[float, float]:
        """Return how many puts and writes a second there are with 16 in flight."""
        putting = writing = 0.0
        for _ in range(self.counts.blocks):
            putting += await together(self.counts.floor_block, self.put)
            writing += await together(self.counts.floor_block, self.write)
        made = self.counts.blocks * self.counts.floor_block
        return made / putting, made / writing

    async def cpu_ms(self, pids: Mapping[str, int]) -> float:
        """Return the CPU that one put takes with 16 in flight, of all processes together."""
        made = self.counts.blocks * self.counts.floor_block
        spent = await spent_ms(pids, made, together(made, self.put))
        say(
            "  CPU of one put, 16 in flight: "
            + ", ".join(f"{part} {each_ms:.2f} ms" for part, each_ms in spent.items())
        )
        return sum(spent.values())


async def _measure(rung: Rung, dial: Dial, pids: dict[str, int], world: World, counts: Counts) -> dict[str, float]:
    name, steps = rung
    async with AsyncExitStack() as stack:
        put = await _client(stack, dial, Cryptography(on=Step.CRYPTOGRAPHY in steps))
        direct = await stack.enter_async_context(world.direct())
        bare = Bare(put, lambda _: direct.write(world.path()), counts)
        await together(counts.floor_block, bare.put)
        await together(counts.floor_block, bare.write)
        (put_s, write_s), (puts, writes) = await bare.one_by_one(), await bare.in_flight()
        say(f"{name}: put {put_s * 1_000:.1f} ms, direct write {write_s * 1_000:.2f} ms (p50)")
        say(f"  {puts:.0f} puts/s, {writes:.0f} direct writes/s")
        found: dict[str, float] = {}
        if pids:
            every = {"client": os.getpid(), "openbao": world.cluster.pids["openbao"]} | pids
            found = {f"{name}_put_ms": put_s * 1_000, f"{name}_cpu_ms": await bare.cpu_ms(every)}
    if name == _LADDER[-1][0]:
        found |= {"floor_put_latency_ratio": put_s / write_s, "floor_throughput_ratio": puts / writes}
    return found


async def _client(stack: AsyncExitStack, dial: Dial, cryptography: Cryptography) -> Put:
    """Return what puts once in one of 16 lanes, each with a connection of its own, as 16 users have."""
    calls = [await stack.enter_async_context(dial()) for _ in range(IN_FLIGHT)]

    async def put(lane: int) -> None:
        call, request_id = calls[lane], os.urandom(ID_BYTES)
        grant = cryptography.verified(await call(ASK, request_id + _REQUEST, _PATIENCE_S))
        cryptography.verified(await call(UPLOAD, request_id + cryptography.seal(grant), _PATIENCE_S))

    return put

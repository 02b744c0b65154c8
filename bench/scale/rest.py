"""What m8 and a reactor cost while nothing is asked of them, and what many who only listen add to that.

Real ones rest without a user; and m8's CPU of a put is measured while 24 watch everything. Thousands of watchers, of
reactors that are attached, and watchers that read nothing, are simulated beside an m8 of the tests, without TLS.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median

from bench.counts import IN_FLIGHT
from bench.cpu import cpu_seconds
from bench.figures import KIB, p50, rss_bytes
from bench.progress import say
from bench.scale.records import STORE
from bench.scale.seed import Seed
from bench.scale.sizes import Sizes
from bench.scale.world import USERS, VALUES, World, stop_all
from bench.timing import Flight, together
from monoskope.api.gateway.v1 import queries_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.client import Client
from monoskope.client.connection import Connection
from monoskope.client.http import methods
from tests.support.fake_reactor import FakeReactor
from tests.support.http_calls import Call
from tests.support.m8_process import Process, running
from tests.support.vectors import Signer, a_request

WATCHERS = 24
"""Of everything, as many as three tokens may have."""

_HEARTBEAT_S = 3.0
_TOLD = 9
"""Events whose way is measured."""
_STEP = 100
"""So many connect at once."""

Told = Callable[[int], Awaitable[None]]
"""Lets something happen under a number that is new, and returns when all who listen know."""

_OF_CROWD = ("kib", "cpu_percent", "event_ms", "event_cpu_ms")


def figures(sizes: Sizes) -> tuple[str, ...]:
    """Return the names of what is found, in its order."""
    crowds = (f"{who}_{number}" for who in ("watchers", "reactors") for number in sizes.crowds)
    idle = (f"idle_{what}_cpu_percent_{engine}" for engine in ("sqlite", "postgres") for what in ("m8", "reactor"))
    return (
        *(f"{crowd}_{what}" for crowd in crowds for what in _OF_CROWD),
        *("lagging_watcher_kib", "lagging_event_ratio", *idle, f"put_cpu_ratio_{WATCHERS}_watchers"),
    )


def real(seeds: Mapping[str, Seed], sizes: Sizes) -> dict[str, float]:
    """Return the CPU of m8 and reactors that rest, by engine, and m8's CPU of a put with watchers ÷ without."""
    worlds = {engine: World(seed.folder) for engine, seed in seeds.items()}
    try:
        for world in worlds.values():
            world.start()
        say(f"at rest for {sizes.rest_s:.0f} s")
        pids = {f"idle_m8_cpu_percent_{engine}": world.m8.pid or 0 for engine, world in worlds.items()}
        pids |= {f"idle_reactor_cpu_percent_{engine}": world.reactor.pid or 0 for engine, world in worlds.items()}
        before = {name: cpu_seconds(pid) for name, pid in pids.items()}
        time.sleep(sizes.rest_s)
        found = {name: (cpu_seconds(pid) - before[name]) / sizes.rest_s * 100 for name, pid in pids.items()}
        return found | asyncio.run(_watched(worlds["sqlite"], sizes))
    finally:
        stop_all(list(worlds.values()))


async def _watched(world: World, sizes: Sizes) -> dict[str, float]:
    say(f"puts beside {WATCHERS} watchers of everything, and without")
    run, number = time.time_ns(), count()
    async with Client(world.settings("user-0")) as client:

        async def put(_lane: int) -> None:
            await client.put_secret(f"{STORE}://watched-{run}/{next(number)}", VALUES)

        alone, beside = (
            Flight(partial(together, work=put), sizes.replica_puts, {"m8": world.m8.pid or 0}) for _ in "12"
        )
        for _ in range(sizes.replica_blocks):
            await together(16, put)
            await alone.do()
            async with _watching(world):
                await together(16, put)
                await beside.do()
    say(f"  m8's CPU of a put: {alone.cpu_ms:.2f} ms, beside watchers {beside.cpu_ms:.2f} ms")
    return {f"put_cpu_ratio_{WATCHERS}_watchers": beside.cpu_ms / alone.cpu_ms}


@contextlib.asynccontextmanager
async def _watching(world: World) -> AsyncIterator[None]:
    """Watch everything as often as `WATCHERS` says while the block runs, and be sure that no watcher ended before."""
    connections = [world.connect(f"user-{watcher % USERS}") for watcher in range(WATCHERS)]
    tasks = [asyncio.create_task(_watch(connection)) for connection in connections]
    yield
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ended), ended
    for connection in connections:
        await connection.close()


async def _watch(connection: Connection) -> None:
    async for _ in connection.stream(methods.WATCH_EVENTS, queries_pb2.WatchEventsRequest(from_now=True)):
        pass


def crowds(folder: Path, sizes: Sizes) -> dict[str, float]:
    """Return what idle watchers and attached reactors cost m8, each number of them beside a fresh one, and laggards."""
    most_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    found: dict[str, float] = {}
    for who, listen in (("watchers", _watchers), ("reactors", _reactors)):
        for number in sizes.crowds:
            say(f"{number:,} {who}")
            with running(folder / f"{who}-{number}") as m8:
                of = asyncio.run(_crowd(m8, listen, number, sizes))
            found |= {f"{who}_{number}_{name}": figure for name, figure in of.items()}
    with running(folder / "lagging") as m8:
        return found | asyncio.run(_lagging(m8, sizes))


async def _crowd(
    m8: Process,
    listen: Callable[[contextlib.AsyncExitStack, Process, int], Awaitable[Told]],
    number: int,
    sizes: Sizes,
) -> dict[str, float]:
    async with contextlib.AsyncExitStack() as stack:
        before = rss_bytes(m8.pid)
        told = await listen(stack, m8, number)
        grown = rss_bytes(m8.pid) - before
        await told(0)
        used, rest_s = cpu_seconds(m8.pid), sizes.rest_s / 10
        await asyncio.sleep(rest_s)
        resting, used = cpu_seconds(m8.pid) - used, cpu_seconds(m8.pid)
        took = [await _timed(told(number)) for number in range(1, _TOLD + 1)]
        figures = (
            grown / KIB / number,
            resting / rest_s * 100,
            median(took) * 1_000,
            (cpu_seconds(m8.pid) - used) / _TOLD * 1_000,
        )
    found = dict(zip(_OF_CROWD, figures, strict=True))
    say("  " + ", ".join(f"{name} {figure:.2f}" for name, figure in found.items()))
    return found


async def _timed(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


async def _watchers(stack: contextlib.AsyncExitStack, m8: Process, number: int) -> Told:
    readers = [reader for _ in range(number // _STEP or 1) for reader in await _open(stack, m8, min(number, _STEP))]

    async def told(number: int) -> None:
        name = _binding(number)
        binding = m8.administrator.bind(name, "group:company:readers", role=events_pb2.ROLE_AUDITOR)
        await asyncio.gather(binding, *(reader.readuntil(name.encode()) for reader in readers))

    return told


def _binding(number: int) -> str:
    return f"binding-{number}-of-bench"


async def _open(stack: contextlib.AsyncExitStack, m8: Process, number: int) -> Sequence[asyncio.StreamReader]:
    """Watch everything over so many connections, and return them once m8 has answered each."""
    call = Call(m8.administrator.address, queries_pb2.WatchEventsRequest(from_now=True), m8.administrator.headers)
    return await asyncio.gather(*(_answered(stack, call) for _ in range(number)))


async def _answered(stack: contextlib.AsyncExitStack, call: Call) -> asyncio.StreamReader:
    host, port = call.address.rsplit(":", 1)
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    one.setblocking(False)  # noqa: FBT003  the standard library's own parameter
    await asyncio.get_running_loop().sock_connect(one, (host, int(port)))
    reader, writer = await asyncio.open_connection(sock=one)
    stack.callback(writer.close)  # which also keeps it: a writer that nothing keeps closes its connection
    message = call.written()
    body = b"\0" + len(message).to_bytes(4, "big") + message
    writer.write(call.head(body).encode() + b"\r\n" + body)
    await reader.readuntil(b"\r\n\r\n")
    return reader


async def _reactors(stack: contextlib.AsyncExitStack, m8: Process, number: int) -> Told:
    """Attach a reactor for each of so many stores."""
    reactors: list[FakeReactor] = []

    async def attach(at: int, signer: Signer) -> None:
        reactors.append(reactor := FakeReactor(m8.administrator.address, signer, store=f"s{at}"))
        stack.push_async_callback(reactor.leave)
        await reactor.attach()

    for at in range(0, number, IN_FLIGHT):
        signers = {store: Signer() for store in range(at, min(number, at + IN_FLIGHT))}
        for store, signer in signers.items():
            await m8.administrator.create(f"s{store}", signer.shown)
        await asyncio.gather(*(attach(*one) for one in signers.items()))
    beating = asyncio.create_task(_beat(reactors))
    stack.callback(beating.cancel)

    async def told(_number: int) -> None:
        await asyncio.gather(m8.user.ask(a_request(uri="s0://app/db")), reactors[0].next("SecretUploadKeyRequested"))

    return told


async def _beat(reactors: Sequence[FakeReactor]) -> None:
    """Send the heartbeat of each in its turn."""
    began, sent = time.monotonic(), 0
    while True:
        await asyncio.sleep(0.05)
        while sent < (time.monotonic() - began) / _HEARTBEAT_S * len(reactors):
            await reactors[sent % len(reactors)].beat()
            sent += 1


async def _lagging(m8: Process, sizes: Sizes) -> dict[str, float]:
    """Return what watchers that read nothing cost: m8's memory for each, and the time of others ÷ without them."""
    say(f"{WATCHERS} watchers that read nothing, {sizes.lag_events:,} events")
    async with contextlib.AsyncExitStack() as stack:
        told = await _watchers(stack, m8, 1)

        numbers = count()

        async def events() -> tuple[float, int]:
            took, before = [], rss_bytes(m8.pid)
            for _ in range(sizes.lag_events // 2):
                took.append(await _timed(told(number := next(numbers))))
                # An event, too; and there are not too many bindings.
                await m8.administrator.unbind(_binding(number))
            return p50(took), rss_bytes(m8.pid) - before

        await events()
        alone_s, usual = await events()
        await _open(stack, m8, WATCHERS)
        took_s, grown = await events()
    return {"lagging_watcher_kib": (grown - usual) / KIB / WATCHERS, "lagging_event_ratio": took_s / alone_s}

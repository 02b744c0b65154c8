"""What grows with the log: a put, a page of a listing by each filter, a restart, m8's memory and the disk.

All sizes run at the same time and take turns, so that whatever else the machine does hits each of them alike.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from statistics import median

from bench.figures import mib, p50, rss_bytes
from bench.progress import say
from bench.scale.records import FIRST_DAY, STORE, Secret
from bench.scale.seed import Seed
from bench.scale.sizes import Sizes
from bench.scale.world import ADMINISTRATOR, VALUES, World, stop_all
from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import options_pb2
from monoskope.client import Client
from monoskope.client.connection import Connection
from monoskope.client.http import methods
from monoskope.errors import Error

PAGE = 50
"""Secrets on one page of a listing."""

_WAIT_S = 60.0
_PAUSE_S = 0.005


def filters(secrets: int) -> dict[str, queries_pb2.ListSecretsRequest]:
    """Return what is listed in a log of so many secrets, by name: each finds more than a page, out of all."""
    some = Secret(secrets // 3, secrets)
    team, env = dict(some.labels)["team"], "prod"
    states = {
        "drifted": views_pb2.SECRET_STATE_DRIFTED,
        "deleted": views_pb2.SECRET_STATE_DELETED,
        "out_of_sync": views_pb2.SECRET_STATE_OUT_OF_SYNC,
    }
    label = options_pb2.Label
    asked = {
        "all": {},
        "store": {"store": STORE},
        "prefix": {"prefix": some.uri.rsplit("/", 2)[0]},
        "subject": {"subject": some.subject},
        "expiring": {"expiring_before": str(FIRST_DAY + dt.timedelta(days=1))},
        "label": {"labels": [label(name="team", value=team)]},
        "labels": {"labels": [label(name="env", value=env), label(name="team", value=team)]},
        **{name: {"state": state} for name, state in states.items()},
    }
    return {name: queries_pb2.ListSecretsRequest(page_size=PAGE, **given) for name, given in asked.items()}  # type: ignore[arg-type]


NAMES = (*filters(1_000), "next_page")
"""What is listed. The last is the page after the first, asked for with its token."""


@dataclass(slots=True)
class At:
    """What was measured at one size."""

    seed: Seed
    world: World
    puts_s: list[float] = field(default_factory=list)
    lists_s: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in NAMES})
    restarts_s: list[float] = field(default_factory=list)
    rss_mib: float = 0.0

    def figures(self) -> dict[str, float]:
        """Return them by name, in milliseconds, seconds and MiB."""
        found = {"put_p50_ms": p50(self.puts_s) * 1_000, "restart_ready_s": median(self.restarts_s)}
        found["m8_rss_mib"] = self.rss_mib
        return found | {f"list_{name}_p50_ms": p50(seconds) * 1_000 for name, seconds in self.lists_s.items()}


class _Calls:
    """The calls of a user and of an administrator to one m8, over connections that stay open."""

    def __init__(self, at: At, client: Client, connection: Connection) -> None:
        self._at = at
        self._client = client
        self._connection = connection
        self._paths = _paths()
        self._asked = filters(at.seed.secrets)

    async def find_next(self) -> None:
        """Look up where the second page begins: page tokens are opaque, so m8 has to make one."""
        ask = queries_pb2.ListSecretsRequest(page_size=PAGE, prefix=f"{STORE}://")
        token = (await self._list(ask)).next_page_token
        ask.page_token = token
        self._asked["next_page"] = ask

    async def put(self) -> float:
        """Put a secret where none is, and return the seconds that the user waited."""
        began = time.perf_counter()
        await self._client.put_secret(next(self._paths), VALUES, labels={"env": "bench"})
        return time.perf_counter() - began

    async def list(self, name: str) -> float:
        """List by the filter `name`, and return the seconds of the call. Raises `Error` if the page is short."""
        began = time.perf_counter()
        answer = await self._list(self._asked[name])
        took = time.perf_counter() - began
        least = min(PAGE, self._at.seed.secrets // 20)
        if len(answer.secrets) < least:
            raise Error(
                f"listing by {name} found {len(answer.secrets)} secrets, not {least}.", fix="Look for a defect."
            )
        return took

    async def _list(self, ask: queries_pb2.ListSecretsRequest) -> queries_pb2.ListSecretsResponse:
        return await self._connection.call(methods.LIST_SECRETS, ask, _WAIT_S)


def _paths() -> Iterator[str]:
    run = os.urandom(4).hex()
    number = 0
    while True:
        yield f"{STORE}://bench-{run}/{number}"
        number += 1


def measure(seeds: Sequence[Seed], sizes: Sizes) -> list[At]:
    """Return what was measured at each size."""
    found = [At(seed, World(seed.folder)) for seed in seeds]
    try:
        for at in found:
            at.world.start()
        asyncio.run(_blocks(found, sizes))
        for at in found:
            at.rss_mib = mib(rss_bytes(at.world.m8.pid or 0))
        for _ in range(sizes.restarts):
            for at in found:
                at.restarts_s.append(_restart(at.world))
    finally:
        stop_all([at.world for at in found])
    return found


async def _blocks(found: Sequence[At], sizes: Sizes) -> None:
    async with AsyncExitStack() as stack:
        calls: list[tuple[At, _Calls]] = []
        for at in found:
            client = await stack.enter_async_context(Client(at.world.settings("user-0")))
            connection = at.world.connect(ADMINISTRATOR)
            stack.push_async_callback(connection.close)
            of = _Calls(at, client, connection)
            await of.find_next()
            await of.put()
            calls.append((at, of))
        for block in range(sizes.blocks):
            # Each size is the first in its turn: what follows a pause is slower.
            for at, of in calls[block % len(calls) :] + calls[: block % len(calls)]:
                await of.put()
                at.puts_s += [await of.put() for _ in range(sizes.puts)]
                for name in NAMES:
                    await of.list(name)
                    at.lists_s[name] += [await of.list(name) for _ in range(sizes.lists)]
    for at in found:
        say(f"  {at.world.folder.name}, {at.seed.secrets:,} secrets: put {p50(at.puts_s) * 1_000:.1f} ms (p50)")


def _restart(world: World) -> float:
    """Kill m8, start it again, and return the seconds until it answers a listing."""
    world.m8.kill()
    began = time.perf_counter()
    world.m8.start()
    asyncio.run(_until_listed(world))
    return time.perf_counter() - began


async def _until_listed(world: World) -> None:
    ends = time.monotonic() + _WAIT_S
    while True:
        connection = world.connect(ADMINISTRATOR)
        try:
            await connection.call(methods.LIST_SECRETS, queries_pb2.ListSecretsRequest(page_size=1), 2.0)
        except Error:
            if time.monotonic() > ends:
                raise
            await asyncio.sleep(_PAUSE_S)
        else:
            return
        finally:
            await connection.close()


def ratios(found: Sequence[At]) -> dict[str, float]:
    """Return what a put and each listing cost at the largest size, divided by what they cost at the smallest."""
    first, last = found[0].figures(), found[-1].figures()
    ratio = {name: last[name] / first[name] for name in first}
    lists = {f"list_{name}_p50_ratio": ratio[f"list_{name}_p50_ms"] for name in NAMES}
    return {
        "put_p50_ratio": ratio["put_p50_ms"],
        "list_p50_ratio": max(lists.values()),
        **lists,
        "restart_ready_s": last["restart_ready_s"],
        "m8_rss_mib": last["m8_rss_mib"],
    }

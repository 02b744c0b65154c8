"""Appends beside a bare INSERT: the same driver, the same bytes, the same disk, in the same run.

An append is one event of a put, with all read models. A bare INSERT writes the same record as the only row of a
transaction, into a table with a number and the record, and nothing else. A ratio is the median of pairs.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, closing
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench.progress import say
from bench.scale.records import Maker, Secret, Stream
from bench.scale.sizes import Sizes
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.log.sqlite.file import connect
from monoskope.m8.readmodels import documents as chain
from monoskope.times import now_ms

if TYPE_CHECKING:
    from monoskope.testing.engines.postgres import Postgres

WRITERS = (1, 8, 64)
"""Callers that append at the same time, each the events of its own request."""

_EVENTS = 5
"""Of one put."""

_MANY = 10_000_000
"""More secrets than are put here: so nothing is particular about any of them."""

Insert = Callable[[int, Sequence[bytes]], Awaitable[None]]
"""Inserts these records with so many writers, each in a transaction of its own."""


def _fresh(maker: Maker) -> Iterator[Stream]:
    """Yield requests of puts without end."""
    number = _MANY // 2
    while True:
        yield next(iter(maker.streams(Secret(number, _MANY))))
        number += 1


async def _append(log: EventLog, writers: int, streams: Sequence[Stream]) -> float:
    """Append all events of `streams` with so many writers, and return the seconds."""
    waiting = iter(streams)

    async def writer() -> None:
        for stream in waiting:
            for version, (event, actor) in enumerate(stream.events):
                await log.append(stream.name, version, [event], actor=actor)

    return await _timed(writer() for _ in range(writers))


async def _timed(works: Iterator[Awaitable[None]]) -> float:
    began = time.perf_counter()
    await asyncio.gather(*works)
    return time.perf_counter() - began


async def _ratios(log: EventLog, maker: Maker, sizes: Sizes, insert: Insert, engine: str) -> dict[str, float]:
    fresh, found = _fresh(maker), {}
    for writers in WRITERS:
        # One writer is slow: it does a part of what many do.
        events = max(_EVENTS * writers, sizes.appends // (4 if writers == 1 else 1))
        pairs: list[tuple[float, float]] = []
        for pair in range(sizes.append_pairs):
            streams = [next(fresh) for _ in range(events // _EVENTS)]
            records = [new.data for stream in streams for new, _ in stream.events]
            works = (partial(_append, log, writers, streams), partial(_inserted, insert, writers, records))
            # Each is the first of every second pair.
            seconds = {work: await work() for work in (works if pair % 2 else works[::-1])}
            pairs.append((seconds[works[0]], seconds[works[1]]))
        appends_per_s, inserts_per_s = (events // _EVENTS * _EVENTS / median(took) for took in zip(*pairs, strict=True))
        ratios = sorted(inserting / appending for appending, inserting in pairs)
        say(f"  {engine}, {writers} writers: {appends_per_s:,.0f} appends/s, {inserts_per_s:,.0f} INSERTs/s")
        say(f"    in pairs {ratios[0]:.2f} to {ratios[-1]:.2f}, median {median(ratios):.2f}")
        found[f"append_ratio_{writers}_{engine}"] = median(ratios)
        found[f"appends_{writers}_per_s_{engine}"] = appends_per_s
    return found


async def _inserted(insert: Insert, writers: int, records: Sequence[bytes]) -> float:
    """Insert `records`, and return the seconds."""
    began = time.perf_counter()
    await insert(writers, records)
    return time.perf_counter() - began


async def sqlite(folder: Path, maker: Maker, sizes: Sizes) -> dict[str, float]:
    """Return the figures of SQLite, from an empty log in `folder`."""
    log = await SqliteLog.open(folder / "appends.db", clock=now_ms, projector=chain.project)
    bare = folder / "bare.db"
    with closing(sqlite3.connect(bare, isolation_level=None)) as made:
        made.execute("PRAGMA journal_mode = WAL")
        made.execute("CREATE TABLE bare (number INTEGER PRIMARY KEY, record BLOB NOT NULL)")
    with closing(connect(bare)) as connection:

        async def insert(_writers: int, records: Sequence[bytes]) -> None:
            # SQLite lets one write at a time, so one connection is the fastest way for any number of writers.
            for each in records:
                connection.execute("INSERT INTO bare (record) VALUES (?)", (each,))

        try:
            return await _ratios(log, maker, sizes, insert, "sqlite")
        finally:
            await log.close()


async def postgres(server: Postgres, maker: Maker, sizes: Sizes) -> dict[str, float]:
    """Return the figures of PostgreSQL, from an empty database of `server`."""
    from monoskope.m8.log.postgres.connections import connect  # noqa: PLC0415 - the driver is an extra
    from monoskope.m8.log.postgres.log import PostgresLog  # noqa: PLC0415

    target, other = server.target(server.create_database()), server.target(server.create_database())
    async with AsyncExitStack() as stack:
        log = await PostgresLog.open(target, clock=now_ms, projector=chain.project)
        stack.push_async_callback(log.close)
        connections = []
        for _ in range(max(WRITERS)):
            connection = await connect(other)
            stack.push_async_callback(connection.close)
            connections.append(connection)
        # The log's own columns are stored without compression, too.
        await connections[0].execute(
            "CREATE TABLE bare (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, record bytea); "
            "ALTER TABLE bare ALTER COLUMN record SET STORAGE EXTERNAL"
        )

        async def insert(writers: int, records: Sequence[bytes]) -> None:
            waiting = iter(records)

            async def writer(number: int) -> None:
                for each in waiting:
                    await connections[number].execute("INSERT INTO bare (record) VALUES ($1)", each)

            await _timed(writer(number) for number in range(writers))

        found = await _ratios(log, maker, sizes, insert, "postgres")
    server.drop_database(target.database)
    server.drop_database(other.database)
    return found

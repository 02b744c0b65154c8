"""What a secret takes on the disk, and how fast its documents are made anew."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from bench.progress import say
from bench.scale.seed import Seed
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.readmodels import documents as chain
from monoskope.times import now_ms

if TYPE_CHECKING:
    from monoskope.testing.engines.postgres import Postgres


def bytes_per_secret_sqlite(seed: Seed) -> float:
    """Return the bytes of the database file, divided by the secrets. Sealed bytes are erased."""
    return (seed.folder / "m8" / "log.db").stat().st_size / seed.secrets


def bytes_per_secret_postgres(seed: Seed, server: Postgres) -> float:
    """Return the bytes of the database with its indexes, divided by the secrets. Sealed bytes are erased."""
    return int(server.sql(f"SELECT pg_database_size('{seed.database}')")) / seed.secrets


def replayed_per_s(seed: Seed, server: Postgres) -> float:
    """Return how many events a second a rebuild beside appends replays, as `m8 readmodels rebuild` does."""
    return asyncio.run(_replayed_per_s(seed, server))


async def _replayed_per_s(seed: Seed, server: Postgres) -> float:
    log = await _open(seed, server)
    try:
        began = time.perf_counter()
        events = await log.rebuild()
        speed = events / (time.perf_counter() - began)
    finally:
        await log.close()
    say(f"  rebuilt while serving: {speed:,.0f} events/s")
    return speed


async def _open(seed: Seed, server: Postgres) -> EventLog:
    if not seed.database:
        return await SqliteLog.open(seed.folder / "m8" / "log.db", clock=now_ms, projector=chain.project)
    from monoskope.m8.log.postgres.log import PostgresLog  # noqa: PLC0415 - the driver is an extra

    return await PostgresLog.open(server.target(seed.database), clock=now_ms, projector=chain.project)

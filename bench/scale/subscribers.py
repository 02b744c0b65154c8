"""A thousand subscribers of one process, while another process's log appends: how long until each has the event."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bench.figures import p99
from bench.progress import say
from bench.scale.sizes import Sizes
from monoskope.m8.log.event_log import EventLog, NewEvent
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.times import now_ms

if TYPE_CHECKING:
    from monoskope.testing.engines.postgres import Postgres

_BETWEEN_S = 0.05
"""From one append to the next."""

Open = Callable[[], Awaitable[EventLog]]


async def p99_ms(open_log: Open, sizes: Sizes) -> float:
    """Return the 99th percentile of the milliseconds from the beginning of an append until a subscriber has the event.

    The log that appends is another one than that which is subscribed to, as if it were another process's.
    """
    writer, reader = await open_log(), await open_log()
    began: dict[int, float] = {}
    late: list[float] = []

    async def subscribe() -> None:
        async with contextlib.aclosing(reader.subscribe(after=0)) as events:
            async for event in events:
                if event.position > 1:
                    late.append(time.perf_counter() - began[event.position])
                if event.position == sizes.told + 1:
                    return

    try:
        tasks = [asyncio.create_task(subscribe()) for _ in range(sizes.subscribers)]
        await writer.append("bench", None, [NewEvent("First", b"")], actor="bench")
        await asyncio.sleep(1)  # until all of them are there: what comes before that is not counted
        for number in range(sizes.told):
            began[number + 2] = time.perf_counter()
            await writer.append("bench", None, [NewEvent("Told", b"x" * 1_000)], actor="bench")
            await asyncio.sleep(_BETWEEN_S)
        await asyncio.gather(*tasks)
    finally:
        await reader.close()
        await writer.close()
    say(f"  {len(late):,} deliveries, p99 {p99(late) * 1_000:.0f} ms")
    return p99(late) * 1_000


async def sqlite(folder: Path, sizes: Sizes) -> float:
    """Return the figure of SQLite."""
    return await p99_ms(lambda: SqliteLog.open(folder / "subscribers.db", clock=now_ms), sizes)


async def postgres(server: Postgres, sizes: Sizes) -> float:
    """Return the figure of PostgreSQL."""
    from monoskope.m8.log.event_log import no_documents  # noqa: PLC0415
    from monoskope.m8.log.postgres.log import PostgresLog  # noqa: PLC0415 - the driver is an extra

    name = server.create_database()
    target = server.target(name)
    try:
        return await p99_ms(lambda: PostgresLog.open(target, clock=now_ms, projector=no_documents), sizes)
    finally:
        server.drop_database(name)

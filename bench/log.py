"""What an upload takes in the event log: bytes of records, bytes of documents that are written, appends a second."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator
from pathlib import Path

from bench.counts import IN_FLIGHT
from bench.progress import say
from bench.world import World
from monoskope.m8.log.event_log import NewEvent, Put, RecordedEvent
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.readmodels.documents import project
from monoskope.protocol.events import request_id_of

FIGURES = ("log_record_bytes", "log_document_bytes", "log_appends_per_s")
_PAGE = 1_000


async def measure(world: World, folder: Path) -> dict[str, float]:
    """Return the figures, from the events that the bench has recorded until now.

    Each event is projected and appended again, to a new log in `folder`, with as many streams at once as there are
    clients.
    """
    log = await SqliteLog.open(world.cluster.folder / "m8" / "log.db", clock=_now)
    events: list[RecordedEvent] = []
    while page := await log.read(after=len(events), limit=_PAGE):
        events += page
    await log.close()
    uploads = len({event.stream for event in events if request_id_of(event.stream) is not None})
    found = {
        "log_record_bytes": sum(len(event.record) for event in events) / uploads,
        "log_document_bytes": sum(_written(events)) / uploads,
        "log_appends_per_s": await _appends_per_s(events, folder / "appends.db"),
    }
    say(f"log: {len(events)} events of {uploads} uploads: {found}")
    return found


def _written(events: list[RecordedEvent]) -> Iterator[int]:
    """Yield the bytes of each document that an event has written."""
    bodies: dict[tuple[str, str], bytes] = {}
    for event in events:
        for change in project(event, lambda *which: bodies.get(which)):
            if isinstance(change, Put):
                bodies[change.collection, change.key] = change.body
                yield len(change.body)
            else:
                bodies.pop((change.collection, change.key), None)


async def _appends_per_s(events: list[RecordedEvent], path: Path) -> float:
    log = await SqliteLog.open(path, clock=_now, projector=project)
    begun = time.perf_counter()
    others = [event for event in events if request_id_of(event.stream) is None]
    for event in others:
        await _append(log, event)
    streams = itertools.groupby(
        sorted((event for event in events if request_id_of(event.stream) is not None), key=lambda one: one.stream),
        key=lambda one: one.stream,
    )
    places = asyncio.Semaphore(IN_FLIGHT)

    async def one_after_the_other(stream: list[RecordedEvent]) -> None:
        async with places:
            for event in stream:
                await _append(log, event)

    await asyncio.gather(*(one_after_the_other(list(stream)) for _, stream in streams))
    taken = time.perf_counter() - begun
    await log.close()
    return len(events) / taken


async def _append(log: SqliteLog, event: RecordedEvent) -> None:
    await log.append(
        event.stream, event.version - 1, [NewEvent(event.type, event.data, event.uri, event.detail)], actor=event.actor
    )


def _now() -> int:
    return time.time_ns() // 1_000_000

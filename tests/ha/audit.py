"""What must hold of an event log after whatever broke below it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from monoskope.m8.log.event_log import EventLog, RecordedEvent
from monoskope.m8.log.postgres import connections as connecting
from monoskope.m8.log.postgres.target import PostgresTarget

_TABLES = "SELECT tablename FROM pg_tables WHERE tablename ~ '^(documents|labels)' ORDER BY tablename"
"""Their names say which form the read models have."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong with a log; of a good one every number is 0.

    Attributes:
        events: How many events there are.
        lost: How many acknowledged events are not there as they were acknowledged.
        doubled: How many events are there twice.
        gaps: How many positions, or versions of a stream, are missing.
    """

    events: int
    lost: int
    doubled: int
    gaps: int

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return (self.lost, self.doubled, self.gaps) == (0, 0, 0)


async def everything(log: EventLog) -> list[RecordedEvent]:
    events: list[RecordedEvent] = []
    while page := await log.read(after=events[-1].position if events else 0, limit=2_000):
        events += page
    return events


def compare(events: Sequence[RecordedEvent], acknowledged: Iterable[RecordedEvent]) -> Findings:
    """Hold what a log has against what was acknowledged."""
    hashes = {event.position: event.hash for event in events}
    lost = sum(hashes.get(event.position) != event.hash for event in acknowledged)
    doubled = sum(count - 1 for count in Counter((event.stream, event.data) for event in events).values())
    gaps = sum(event.position != place for place, event in enumerate(events, start=1))
    streams: defaultdict[str, list[int]] = defaultdict(list)
    for event in events:
        streams[event.stream].append(event.version)
    gaps += sum(versions != list(range(1, len(versions) + 1)) for versions in streams.values())
    return Findings(len(events), lost, doubled, gaps)


async def check(log: EventLog, target: PostgresTarget, acknowledged: Iterable[RecordedEvent] = ()) -> Findings:
    """Check the chain, what was acknowledged, and that the read models are what a rebuild makes of the events.

    No client may write to the log at that time.
    """
    events = await everything(log)
    assert await log.check_chain() == len(events)
    before = await tables(target)
    assert await log.rebuild() == len(events)
    assert await tables(target) == before, "the read models are not what the events say"
    return compare(events, acknowledged)


async def tables(target: PostgresTarget) -> dict[str, list[Any]]:
    """Return the read models as they lie in the database."""
    connection = await connecting.connect(target)
    try:
        names = [row[0] for row in await connection.fetch(_TABLES)]
        assert len(names) == 2, names
        return {name: sorted(map(tuple, await connection.fetch(f"TABLE {name}")), key=repr) for name in names}
    finally:
        await connection.close()

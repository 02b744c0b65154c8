"""Many writers at the event log itself, past m8, and what must hold of the log after whatever broke below it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from monoskope.errors import UnavailableError
from monoskope.m8.log.event_log import EventLog, ExpectedVersionError, NewEvent, RecordedEvent
from monoskope.m8.log.postgres import connections as connecting
from monoskope.m8.log.postgres.target import PostgresTarget

_TABLES = "SELECT tablename FROM pg_tables WHERE tablename ~ '^(documents|labels)' ORDER BY tablename"
"""Their names say which form the read models have."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong with a log; of a good one every number is 0.

    Attributes:
        gaps: How many positions, or versions of a stream, are missing.
    """

    events: int
    lost: int
    doubled: int
    gaps: int

    @property
    def good(self) -> bool:
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
    connection = await connecting.connect(target)
    try:
        names = [row[0] for row in await connection.fetch(_TABLES)]
        assert len(names) == 2, names
        return {name: sorted(map(tuple, await connection.fetch(f"TABLE {name}")), key=repr) for name in names}
    finally:
        await connection.close()


PAUSE_S = 0.05
"""Between two appends of a writer, so that the servers get a share of the processor, too."""

RETRY_S = 0.1


class Appender:
    """Appends to streams of its own, one writer a stream, through several logs that stand for several m8."""

    def __init__(self, name: str, logs: Sequence[EventLog], *, writers: int = 16) -> None:
        self._name = name
        self._logs = logs
        self._writers = writers
        self._stops = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.acknowledged: list[RecordedEvent] = []
        """What `append` returned, in the order in which it did."""
        self.times: list[float] = []
        """When it did, by the monotonic clock."""
        self.unknown = 0
        """How many appends ended with an error, recorded or not."""
        self.under_way = 0
        """How many appends have not ended yet."""

    @property
    def waits(self) -> bool:
        """Whether all writers wait for an answer, or one of them got none."""
        return self.under_way == self._writers or self.unknown > 0

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._write(number)) for number in range(self._writers)]

    async def stop(self) -> None:
        self._stops.set()
        await asyncio.gather(*self._tasks)

    def outage_s(self, since: float) -> float:
        """The longest time after `since` in which nothing was acknowledged, in seconds."""
        later = [since, *(one for one in self.times if one > since), time.monotonic()]
        return max(after - before for before, after in itertools.pairwise(later))

    async def goes_on(self, more: int = 200) -> None:
        wanted = len(self.acknowledged) + more
        async with asyncio.timeout(300):
            while len(self.acknowledged) < wanted:
                await asyncio.sleep(RETRY_S)

    async def _write(self, number: int) -> None:
        log, stream = self._logs[number % len(self._logs)], f"{self._name}-{number}"
        version = serial = 0
        while not self._stops.is_set():
            new = NewEvent("Happened", f"{stream}/{serial}".encode())
            try:
                event = await self._appended(log, stream, version, new)
            except (UnavailableError, ExpectedVersionError):
                self.unknown += 1
                version, is_there = await self._read_back(log, stream, new.data)
                serial += is_there
            else:
                self.acknowledged.append(event)
                self.times.append(time.monotonic())
                version, serial = event.version, serial + 1
            await asyncio.sleep(PAUSE_S)

    async def _appended(self, log: EventLog, stream: str, version: int, new: NewEvent) -> RecordedEvent:
        self.under_way += 1
        try:
            [event] = await log.append(stream, version, [new], actor="auditor")
        finally:
            self.under_way -= 1
        return event

    async def _read_back(self, log: EventLog, stream: str, data: bytes) -> tuple[int, bool]:
        """Return the version of a stream, and whether `data` is in it. A read acknowledges nothing."""
        while True:
            try:
                events = await log.read_stream(stream)
            except UnavailableError:
                if self._stops.is_set():
                    return 0, False
                await asyncio.sleep(RETRY_S)
            else:
                return len(events), any(event.data == data for event in events)


class Reader:
    """A live subscriber, which goes on after its last position whenever its subscription fails."""

    def __init__(self, log: EventLog, *, after: int) -> None:
        self._log = log
        self.after = after
        self.seen: list[RecordedEvent] = []
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while True:
            try:
                async with contextlib.aclosing(self._log.subscribe(after=self.after + len(self.seen))) as events:
                    async for event in events:
                        self.seen.append(event)
            except UnavailableError:
                await asyncio.sleep(RETRY_S)

    async def reaches(self, position: int) -> None:
        """Wait until it has seen the event at `position`, then stop."""
        async with asyncio.timeout(300):
            while self.after + len(self.seen) < position:
                await asyncio.sleep(RETRY_S)
        await self.stop()

    async def stop(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

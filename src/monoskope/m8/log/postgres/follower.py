"""Following the log: what was recorded last, kept for subscribers, whichever process recorded it.

An append notifies in its transaction. A notification that is lost costs a second and no event, because the head is read
every second besides. The order is: listen, then catch up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from monoskope.errors import Error
from monoskope.m8.log import record
from monoskope.m8.log.event_log import RecordedEvent
from monoskope.m8.log.postgres import names
from monoskope.m8.log.postgres.connecting import Connection
from monoskope.m8.log.postgres.connections import Connector, Pool, deadline
from monoskope.m8.log.postgres.failures import FAILURES
from monoskope.m8.log.postgres.schema import CHANNEL

KEPT = 512
"""How many events are kept at least; at most twice as many."""

POLL_S = 1.0
"""How often the head is read, whether or not a notification came."""

_DIGITS = 19
"""Of a position at most."""

_BACKOFF_S = (0.1, 0.2, 0.5, 1.0, 2.0)
"""How long it waits before it connects again, the last one for ever."""


class Tail:
    """The events at the end of the log, without a gap. Events never change, so they stay correct when it grows."""

    def __init__(self) -> None:
        self._events: list[RecordedEvent] = []

    @property
    def last(self) -> int:
        """The last position that is known here, 0 if none is."""
        return self._events[-1].position if self._events else 0

    def extend(self, events: Sequence[RecordedEvent]) -> bool:
        """Add events in their order, and return whether any of them is new."""
        new = [event for event in events if event.position > self.last]
        if not new:
            return False
        if new[0].position != self.last + 1:
            self._events = []  # another process recorded in between
        self._events += new
        if len(self._events) > 2 * KEPT:
            del self._events[:-KEPT]
        return True

    def after(self, position: int) -> list[RecordedEvent]:
        """Return the events that follow `position`, as far as they are known here."""
        if not self._events or position + 1 < self._events[0].position:
            return []
        return self._events[position + 1 - self._events[0].position :]


class Follower:
    """Keeps `tail` at the end of the log from the first `start` on.

    Args:
        connector: Connects to the primary.
        pool: For reads.
        wake: Called when `tail` has new events.
    """

    def __init__(self, connector: Connector, pool: Pool, wake: Callable[[], None]) -> None:
        self.tail = Tail()
        self._connector = connector
        self._pool = pool
        self._wake = wake
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Follow the log from now on."""
        if self._task is None:
            self._task = asyncio.create_task(self._main(), name="m8-log-follower")

    def recorded(self, events: Sequence[RecordedEvent]) -> None:
        """Take note of what this process recorded."""
        if self.tail.extend(events):
            self._wake()

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _main(self) -> None:
        failures = 0
        while True:
            with contextlib.suppress(Error, *FAILURES):
                connection = await self._connector.connect()
                try:
                    failures = 0
                    await self._listen(connection)
                finally:
                    connection.terminate()
            await asyncio.sleep(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
            failures += 1

    async def _listen(self, connection: Connection) -> None:
        """Follow until the connection is lost."""
        connection.add_termination_listener(lambda _connection: self._changed.set())
        with deadline(connection):
            await connection.add_listener(CHANNEL, self._notified)
        while not connection.is_closed():
            self._changed.clear()
            await self._catch_up()
            # Not `wait_for`: before Python 3.12 it swallows a cancellation that comes together with a notification.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._changed.wait()

    def _notified(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        # Every role of the database may notify, with any text of up to 8 kB.
        text = str(payload)
        if not text.isdecimal() or len(text) > _DIGITS or int(text) > self.tail.last:
            self._changed.set()

    async def _catch_up(self) -> None:
        head = await self._pool.run(last_position)
        while self.tail.last < head:
            after = max(self.tail.last, head - KEPT)
            events = await self._pool.run(partial(read, after=after, limit=KEPT))
            if not self.tail.extend(events) or self.tail.last < head - KEPT:
                break  # a record is missing: subscribers find that out when they read
            self._wake()


async def last_position(connection: Connection) -> int:
    """Return the last position, 0 if the log is empty."""
    return int(await connection.fetchval("SELECT position FROM head"))


async def read(connection: Connection, after: int, limit: int) -> list[RecordedEvent]:
    """Return events as `EventLog.read` does."""
    query = "SELECT position, record FROM events WHERE position > $1 ORDER BY position LIMIT $2"
    return [record.parse(position, row) for position, row in await connection.fetch(query, after, limit)]


async def read_stream(connection: Connection, stream: str, after_version: int) -> list[RecordedEvent]:
    """Return events as `EventLog.read_stream` does."""
    query = "SELECT position, record FROM events WHERE stream = $1 AND version > $2::bigint ORDER BY version"
    return [
        record.parse(position, row)
        for position, row in await connection.fetch(query, names.stored(stream), after_version)
    ]


async def read_streams(connection: Connection, after: Mapping[str, int]) -> dict[str, list[RecordedEvent]]:
    """Return events as `EventLog.read_streams` does."""
    query = (
        "SELECT asked.place, e.position, e.record "
        "FROM unnest($1::bytea[], $2::bigint[]) WITH ORDINALITY AS asked(name, after, place) CROSS JOIN LATERAL "
        "(SELECT position, version, record FROM events WHERE stream = asked.name AND version > asked.after OFFSET 0) e "
        "ORDER BY e.version"
    )
    streams = list(after)
    found: dict[str, list[RecordedEvent]] = {stream: [] for stream in streams}
    rows = await connection.fetch(query, [names.stored(stream) for stream in streams], list(after.values()))
    for place, position, row in rows:
        found[streams[place - 1]].append(record.parse(position, row))
    return found


async def read_last(connection: Connection, streams: Sequence[str]) -> list[RecordedEvent | None]:
    """Return the last event of each stream, None for one without events."""
    query = (
        "SELECT e.position, e.record FROM unnest($1::bytea[]) WITH ORDINALITY AS asked(name, place) LEFT JOIN LATERAL "
        "(SELECT position, record FROM events WHERE stream = asked.name ORDER BY version DESC LIMIT 1) e ON true "
        "ORDER BY asked.place"
    )
    rows = await connection.fetch(query, [names.stored(stream) for stream in streams])
    return [None if position is None else record.parse(position, row) for position, row in rows]

"""The embedded event log: one SQLite file, which several processes of one machine may open at once.

`BEGIN IMMEDIATE` lets one transaction at a time take the next positions, so they have no gap that a reader could skip.
Why this way: docs/adr/0005-own-event-log.md.
"""

# ruff: noqa: D102  every method is documented by EventLog
from __future__ import annotations

import asyncio
import functools
import hashlib
import sqlite3
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path

from monoskope.errors import UnavailableError
from monoskope.failpoints import failpoints
from monoskope.m8.log import record, sqlite_file, sqlite_forms, sqlite_import, sqlite_rebuild
from monoskope.m8.log import sqlite_documents as documents
from monoskope.m8.log.documents import Where
from monoskope.m8.log.event_log import (
    ExpectedVersionError,
    LogTamperedError,
    NewEvent,
    Projector,
    RecordedEvent,
    no_documents,
)
from monoskope.m8.log.failures import check_limit
from monoskope.m8.log.sqlite_build import Build
from monoskope.m8.log.sqlite_find import find
from monoskope.m8.log.sqlite_parts import SqliteParts
from monoskope.m8.log.sqlite_readers import check_chain, last_position

PAGE = 256
"""Events that a subscription reads at once."""


class SqliteLog(SqliteParts):
    """An `EventLog` in one SQLite file. Made by `open`."""

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        clock: Callable[[], int],
        projector: Projector = no_documents,
        for_import: bool = False,
        measured: Callable[[int, float], None] = lambda _writes, _seconds: None,
    ) -> SqliteLog:
        """Open the log in the file `path`, creating it with mode 0600 if there is none.

        Args:
            path: The database file; SQLite keeps `-wal` and `-shm` beside it.
            clock: Milliseconds since 1970, called on the event loop or on the writer's thread.
            projector: What events change in the documents, called on the event loop or on the writer's thread.
            measured: Called on the event loop when writes became durable together: how many, and the seconds it took.
            for_import: Whether it is opened to be imported into, and may be a log whose import is not finished.

        Raises:
            UsageError: its folder does not exist, it is something else, or an m8 with another form wrote it.
            ConflictError: its import is not finished.
            RefusedError: others than its owner can reach the file.
            UnavailableError: the disk does not let us.
        """
        await asyncio.to_thread(sqlite_file.prepare, path, for_import=for_import)
        log = cls(path, clock=clock, projector=projector, measured=measured)
        if log._read_now(functools.partial(sqlite_forms.leftovers, with_built=True)):
            log._background.add(asyncio.create_task(sqlite_rebuild.tidy(clock, log._write_long)))
        return log

    async def size_bytes(self) -> int:
        return await asyncio.to_thread(sqlite_file.size_bytes, self._path)

    async def schema_state(self) -> str:
        return await asyncio.to_thread(sqlite_file.schema_state, self._path)

    async def append(
        self,
        stream: str,
        expected_version: int | None,
        events: Sequence[NewEvent],
        *,
        actor: str,
        sealed: bytes | None = None,
    ) -> list[RecordedEvent]:
        record.check(stream, expected_version, events, actor)

        def work(connection: sqlite3.Connection) -> list[RecordedEvent]:
            recorded = self._record(connection, stream, expected_version, events, actor)
            if sealed is not None:
                digest = hashlib.sha256(sealed).digest()
                connection.execute("INSERT OR IGNORE INTO sealed VALUES (?, ?)", (digest, sealed))
            self._tail.add(recorded)
            return recorded

        kinds = [event.type for event in events]
        failpoints("m8.before-append", kinds)
        done = await self._write(work)
        failpoints("m8.after-append", kinds)
        return done

    def _record(
        self,
        connection: sqlite3.Connection,
        stream: str,
        expected_version: int | None,
        events: Sequence[NewEvent],
        actor: str,
    ) -> list[RecordedEvent]:
        query = "SELECT position, hash, (SELECT coalesce(max(version), 0) FROM events WHERE stream = ?) FROM head"
        position, previous, version = connection.execute(query, (stream,)).fetchone()
        if expected_version is not None and version != expected_version:
            raise ExpectedVersionError(stream, expected=expected_version, actual=version)
        now = self._clock()
        recorded = []
        for step, new in enumerate(events, start=1):
            event = record.make(
                new,
                position=position + step,
                stream=stream,
                version=version + step,
                recorded_at_ms=now,
                actor=actor,
                previous_hash=previous,
            )
            row = (event.position, stream, event.version, event.record, event.hash)
            connection.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?)", row)
            documents.project(connection, self._projector, event)
            recorded.append(event)
            previous = event.hash
        connection.execute("UPDATE head SET position = ?, hash = ?", (position + len(events), previous))
        return recorded

    async def read_stream(self, stream: str, *, after_version: int = 0) -> list[RecordedEvent]:
        query = "SELECT position, record FROM events WHERE stream = ? AND version > ? ORDER BY version"
        return self._read_now(lambda connection: _events(connection, query, (stream, after_version)))

    async def read_streams(self, after: Mapping[str, int]) -> dict[str, list[RecordedEvent]]:
        found: dict[str, list[RecordedEvent]] = {stream: [] for stream in after}
        one = "SELECT position, record FROM events WHERE stream = ? AND version > ?"
        # One statement: each begins and ends a transaction of its own, which takes longer than to find the rows.
        query = f"{' UNION ALL '.join([one] * len(after))} ORDER BY position"
        values = tuple(value for asked in after.items() for value in asked)
        for event in self._read_now(lambda connection: _events(connection, query, values)) if after else ():
            found[event.stream].append(event)
        return found

    async def read_last(self, streams: Sequence[str]) -> list[RecordedEvent | None]:
        query = "SELECT position, record FROM events WHERE stream = ? ORDER BY version DESC LIMIT 1"

        def read(connection: sqlite3.Connection) -> list[RecordedEvent | None]:
            found = (_events(connection, query, (stream,)) for stream in streams)
            return [events[0] if events else None for events in found]

        return self._read_now(read)

    async def read(self, *, after: int, limit: int) -> list[RecordedEvent]:
        check_limit(limit)
        query = "SELECT position, record FROM events WHERE position > ? ORDER BY position LIMIT ?"
        return self._read_now(lambda connection: _events(connection, query, (after, limit), record.parse))

    async def subscribe(self, *, after: int) -> AsyncGenerator[RecordedEvent, None]:
        signal = asyncio.Event()
        self._signals.add(signal)
        is_at_end = False
        try:
            while not self._closed:
                # Cleared before the read: an event that is recorded after it sets it again, so no wake-up is lost.
                signal.clear()
                # Older events come from the disk, where their reader notices damage.
                events = (self._tail.after(after) if is_at_end else []) or await self._next_page(after)
                for event in events:
                    if event.position != after + 1:
                        raise LogTamperedError(after + 1, "the record is missing")
                    after = event.position
                    yield event
                if events and after < self._watcher.seen:
                    continue  # woken for more than the tail has: another process recorded it, and nobody wakes again
                if len(events) < PAGE:
                    is_at_end = True
                    with self._watcher.watching():
                        await signal.wait()
        finally:
            self._signals.discard(signal)

    async def _next_page(self, after: int) -> list[RecordedEvent]:
        """The next events; none if the log was closed meanwhile."""
        try:
            return await self.read(after=after, limit=PAGE)
        except UnavailableError:
            if self._closed:
                return []
            raise

    async def head(self) -> int:
        return self._read_now(last_position)

    async def get(self, collection: str, key: str) -> bytes | None:
        return self._read_now(lambda connection: documents.get(connection, collection, key))

    async def scan(self, collection: str, *, prefix: str = "", after: str = "", limit: int) -> list[tuple[str, bytes]]:
        check_limit(limit)
        return await self._read(
            lambda connection: documents.scan(connection, collection, prefix=prefix, after=after, limit=limit)
        )

    async def find(
        self, collection: str, where: Where, *, prefix: str = "", after: str = "", limit: int
    ) -> list[tuple[str, bytes]]:
        check_limit(limit)
        return await self._read(
            lambda connection: find(connection, collection, where, prefix=prefix, after=after, limit=limit)
        )

    async def rebuild(self) -> int:
        return await sqlite_rebuild.run(Build(self._projector, self._clock), self._write_long)

    async def finish_import(self, *, log_id: str = "") -> int:
        # Until it is finished nobody else appends, or asks.
        build = Build(self._projector, self._clock, piece_s=sqlite_rebuild.LONG_PIECE_S)
        await sqlite_rebuild.run(build, self._write_long)
        return await self._write(lambda connection: sqlite_import.finish(connection, log_id))

    async def _write_long(self, work: Callable[[sqlite3.Connection], object]) -> object:
        return await self._write(work, is_long=True)

    async def check_chain(self) -> int:
        return await self._read(check_chain)


def _events(
    connection: sqlite3.Connection,
    query: str,
    values: tuple[str | int, ...],
    parse: Callable[[int, bytes], RecordedEvent] = record.parse_again,
) -> list[RecordedEvent]:
    return [parse(position, row) for position, row in connection.execute(query, values)]

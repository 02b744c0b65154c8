"""The embedded event log: one SQLite file, which several processes of one machine may open at once.

`BEGIN IMMEDIATE` lets one transaction at a time take the next positions, so they have no gap that a reader could skip.
Why this way: docs/adr/0005-own-event-log.md.
"""

# ruff: noqa: D102  every method is documented by EventLog
from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sqlite3
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from monoskope.errors import Error, UnavailableError
from monoskope.failpoints import failpoints
from monoskope.m8.log import record, sqlite_file, sqlite_sealed
from monoskope.m8.log import sqlite_documents as documents
from monoskope.m8.log.event_log import (
    EventLog,
    ExpectedVersionError,
    LogTamperedError,
    NewEvent,
    Projector,
    RecordedEvent,
    no_documents,
)
from monoskope.m8.log.reserve import Reserve
from monoskope.m8.log.sqlite_readers import Readers, Watcher, check_chain, last_position
from monoskope.m8.log.sqlite_tail import Tail
from monoskope.m8.log.sqlite_writer import SqliteWriter

T = TypeVar("T")

PAGE = 256
"""Events that a subscription reads at once."""


class SqliteLog(EventLog):
    """An `EventLog` in one SQLite file. Made by `open`."""

    def __init__(
        self, path: Path, *, clock: Callable[[], int], projector: Projector, measured: Callable[[int, float], None]
    ) -> None:
        self._path = path
        self._clock = clock
        self._projector = projector
        self._closed = False
        self._signals: set[asyncio.Event] = set()
        self._tail = Tail()
        self._reserve = Reserve(path)
        self._writer = SqliteWriter(path, self._group_ended, measured)
        self._readers = Readers(path)
        self._watcher = Watcher(self._readers, self._wake)

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        clock: Callable[[], int],
        projector: Projector = no_documents,
        measured: Callable[[int, float], None] = lambda _writes, _seconds: None,
    ) -> SqliteLog:
        """Open the log in the file `path`, creating it with mode 0600 if there is none.

        Args:
            path: The database file; SQLite keeps `-wal` and `-shm` beside it.
            clock: Milliseconds since 1970, called on the event loop or on the writer's thread.
            projector: What events change in the documents, called on the event loop or on the writer's thread.
            measured: Called on the event loop when writes became durable together: how many, and the seconds it took.

        Raises:
            UsageError: its folder does not exist, it is something else, or a newer m8 wrote it.
            RefusedError: others than its owner can reach the file.
            UnavailableError: the disk does not let us.
        """
        await asyncio.to_thread(sqlite_file.prepare, path)
        return cls(path, clock=clock, projector=projector, measured=measured)

    @property
    def write_failure(self) -> Error | None:
        return self._writer.failure

    async def size_bytes(self) -> int:
        return await asyncio.to_thread(sqlite_file.size_bytes, self._path)

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

    async def read(self, *, after: int, limit: int) -> list[RecordedEvent]:
        _check_limit(limit)
        query = "SELECT position, record FROM events WHERE position > ? ORDER BY position LIMIT ?"
        return self._read_now(lambda connection: _events(connection, query, (after, limit)))

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

    async def sealed(self, sha256: bytes) -> bytes | None:
        query = "SELECT body FROM sealed WHERE sha256 = ?"
        return self._read_now(lambda connection: documents.one(connection, query, (sha256,)))

    async def erase_sealed(self, sha256s: Iterable[bytes]) -> int:
        left = deque(sha256s)
        erased = 0

        def work(connection: sqlite3.Connection) -> int:
            # Only now, while nobody else can write to the log: an append would take the space.
            self._reserve.free()
            return sqlite_sealed.erase_some(connection, left)

        while left:
            erased += await self._write(work, is_long=True)
            await self._read(sqlite_sealed.cut_write_ahead_log)
        with contextlib.suppress(UnavailableError):  # they are erased, and that counts
            while await self._write(sqlite_sealed.shrink_some, is_long=True):
                await self._read(sqlite_sealed.cut_write_ahead_log)
            await self._read(sqlite_sealed.cut_write_ahead_log)
        await asyncio.to_thread(self._reserve.make)
        return erased

    async def get(self, collection: str, key: str) -> bytes | None:
        return self._read_now(lambda connection: documents.get(connection, collection, key))

    async def scan(self, collection: str, *, prefix: str = "", after: str = "", limit: int) -> list[tuple[str, bytes]]:
        _check_limit(limit)
        return await self._read(
            lambda connection: documents.scan(connection, collection, prefix=prefix, after=after, limit=limit)
        )

    async def rebuild(self) -> int:
        def work(connection: sqlite3.Connection) -> int:
            connection.execute("DELETE FROM documents")
            replayed = 0
            for position, row in connection.execute("SELECT position, record FROM events ORDER BY position"):
                documents.project(connection, self._projector, record.parse(position, row))
                replayed += 1
            return replayed

        return await self._write(work, is_long=True)

    async def check_chain(self) -> int:
        return await self._read(check_chain)

    async def beat(self, key: str, at_ms: int, note: bytes = b"") -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO beats VALUES (?, ?)", (key, at_ms))
            if note:
                connection.execute("INSERT OR REPLACE INTO beat_notes VALUES (?, ?)", (key, note))
            else:
                connection.execute("DELETE FROM beat_notes WHERE key = ?", (key,))

        await self._write(work)

    async def beats(self) -> dict[str, int]:
        return self._read_now(lambda connection: dict(connection.execute("SELECT key, at_ms FROM beats")))

    async def beat_notes(self) -> dict[str, bytes]:
        return self._read_now(lambda connection: dict(connection.execute("SELECT key, note FROM beat_notes")))

    async def forget_beat(self, key: str) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM beats WHERE key = ?", (key,))
            connection.execute("DELETE FROM beat_notes WHERE key = ?", (key,))

        await self._write(work)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._wake()
        await self._writer.close()
        self._watcher.close()
        await self._readers.close()

    def _wake(self) -> None:
        for signal in self._signals:
            signal.set()

    def _group_ended(self, *, is_committed: bool) -> None:
        if last := self._tail.settle(is_committed=is_committed):
            self._watcher.saw(last)
            self._wake()

    async def _write(self, work: Callable[[sqlite3.Connection], T], *, is_long: bool = False) -> T:
        self._check_open()
        return await self._writer.run(work, is_long=is_long)

    async def _read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        self._check_open()
        return await self._readers.run(read)

    def _read_now(self, read: Callable[[sqlite3.Connection], T]) -> T:
        self._check_open()
        return self._readers.now(read)

    def _check_open(self) -> None:
        if self._closed:
            raise UnavailableError("the event log is closed.", fix="m8 is stopping: ask another replica, or start it.")


def _check_limit(limit: int) -> None:
    if limit < 1:
        raise ValueError("a limit is at least 1.")


def _events(connection: sqlite3.Connection, query: str, values: tuple[str | int, ...]) -> list[RecordedEvent]:
    return [record.parse(position, row) for position, row in connection.execute(query, values)]

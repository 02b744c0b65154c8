"""The parts of an SQLite log that is open: who writes, who reads, who waits; and what stands beside the events."""

# ruff: noqa: D102  every method is documented by EventLog
from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from monoskope.errors import Error, UnavailableError
from monoskope.m8.log import (
    cursor,
    sqlite_cursors,
    sqlite_documents,
    sqlite_file,
    sqlite_import,
    sqlite_leases,
    sqlite_sealed,
)
from monoskope.m8.log.cursor import Cursor
from monoskope.m8.log.event_log import EventLog, Projector
from monoskope.m8.log.failures import closed
from monoskope.m8.log.reserve import Reserve
from monoskope.m8.log.sqlite_readers import Readers, Watcher
from monoskope.m8.log.sqlite_tail import Tail
from monoskope.m8.log.sqlite_tree import SqliteTreeRows
from monoskope.m8.log.sqlite_writer import SqliteWriter

T = TypeVar("T")

_TRIED = 65_536
"""How many bytes are written to see whether writes work, once there is room for more."""


class SqliteParts(SqliteTreeRows, EventLog):
    """Everything of `SqliteLog` but its events and documents."""

    def __init__(
        self, path: Path, *, clock: Callable[[], int], projector: Projector, measured: Callable[[int, float], None]
    ) -> None:
        self._path = path
        self._clock = clock
        self._projector = projector
        self._closed = False
        self._signals: set[asyncio.Event] = set()
        self._background: set[asyncio.Task[None]] = set()
        self._tail = Tail()
        self._reserve = Reserve(path)
        self._writer = SqliteWriter(path, self._group_ended, measured)
        self._readers = Readers(path)
        self._watcher = Watcher(self._readers, self._wake)

    @property
    def write_failure(self) -> Error | None:
        return self._writer.failure

    async def sealed(self, sha256: bytes) -> bytes | None:
        query = "SELECT body FROM sealed WHERE sha256 = ?"
        return self._read_now(lambda connection: sqlite_documents.one(connection, query, (sha256,)))

    async def erase_sealed(self, sha256s: Iterable[bytes]) -> int:
        left = deque(sha256s)
        erased = 0

        def work(connection: sqlite3.Connection) -> int:
            # Only now, while nobody else can write to the log: an append would take the space.
            if self._reserve.is_needed:
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

    async def try_write(self, body: bytes) -> None:
        # It would be in the write-ahead log, and then in the file, as far as that has no room of its own.
        free = await self._read(sqlite_sealed.free_bytes)
        if not self._reserve.has_room(2 * len(body) - min(free, len(body))):
            raise sqlite_file.full(self._path)
        # The whole of it would take, again and again, the room in which sealed bytes are just being erased.
        await super().try_write(body[:_TRIED])

    async def beat(self, key: str, at_ms: int, note: bytes = b"") -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO beats VALUES (?, ?, ?)", (key, at_ms, note))

        await self._write(work)

    async def beats(self) -> dict[str, int]:
        return self._read_now(lambda connection: dict(connection.execute("SELECT key, at_ms FROM beats")))

    async def beat_notes(self) -> dict[str, bytes]:
        return self._read_now(
            lambda connection: dict(connection.execute("SELECT key, note FROM beats WHERE note <> x''"))
        )

    async def forget_beat(self, key: str) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM beats WHERE key = ?", (key,))

        await self._write(work)

    async def lease(self, name: str, holder: str, *, ttl_ms: int) -> bool:
        sqlite_leases.check(name, holder, ttl_ms)
        now_ms = self._clock
        return await self._write(
            lambda connection: sqlite_leases.take(connection, name, holder, now_ms=now_ms(), ttl_ms=ttl_ms)
        )

    async def release(self, name: str, holder: str) -> None:
        await self._write(lambda connection: sqlite_leases.release(connection, name, holder))

    async def cursor(self, name: str) -> Cursor | None:
        return self._read_now(lambda connection: sqlite_cursors.find(connection, name))

    async def move_cursor(self, name: str, was: Cursor | None, now: Cursor) -> bool:
        cursor.check(name, now)
        return await self._write(lambda connection: sqlite_cursors.move(connection, name, was, now))

    async def import_records(self, records: Sequence[bytes], sealed: Sequence[bytes] = ()) -> None:
        await self._write(lambda connection: sqlite_import.add(connection, records, sealed), is_long=True)

    async def close(self) -> None:
        background, self._background = self._background, set()
        for task in background:
            task.cancel()
        # They give their lease up, for which the log must be open.
        await asyncio.gather(*background, return_exceptions=True)
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
        if (idle := self._writer.idle) is not None:
            # Whatever fails here fails below, where it is waited for or explained.
            with contextlib.suppress(sqlite3.Error):
                return read(idle)
        return self._readers.now(read)

    def _check_open(self) -> None:
        if self._closed:
            raise closed()

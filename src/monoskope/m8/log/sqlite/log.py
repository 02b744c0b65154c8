"""The embedded event log: one SQLite file, which several processes of one machine may open at once.

`BEGIN IMMEDIATE` lets one transaction at a time take the next positions, so they have no gap that a reader could skip.
Why this way: docs/adr/0005-own-event-log.md.
"""

# ruff: noqa: D102  every method is documented by EventLog
from __future__ import annotations

import asyncio
import contextlib
import functools
import sqlite3
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from monoskope.errors import Error, UnavailableError
from monoskope.m8.log.documents import Where, Which
from monoskope.m8.log.event_log import Look, Projector, RecordedEvent, no_documents
from monoskope.m8.log.failures import check_limit
from monoskope.m8.log.group import Piece
from monoskope.m8.log.record import Append
from monoskope.m8.log.sql import SqlLog
from monoskope.m8.log.sqlite import disk, documents, file, rebuild
from monoskope.m8.log.sqlite import records as rows
from monoskope.m8.log.sqlite.appends import Recorder
from monoskope.m8.log.sqlite.disk import Reserve
from monoskope.m8.log.sqlite.find import find
from monoskope.m8.log.sqlite.group_commit import SqliteWriter
from monoskope.m8.log.sqlite.rebuild import Build
from monoskope.m8.log.sqlite.records import Readers, Watcher
from monoskope.m8.log.tree_rows import Row, Steps

T = TypeVar("T")

_TRIED = 65_536
"""How many bytes are written to see whether writes work, once there is room for more."""


class SqliteLog(SqlLog):
    """An `EventLog` in one SQLite file. Made by `open`."""

    def __init__(
        self, path: Path, *, clock: Callable[[], int], projector: Projector, measured: Callable[[int, float], None]
    ) -> None:
        super().__init__()
        self._path = path
        self._clock = clock
        self._projector = projector
        self._recorder = Recorder(projector, clock)
        self._background: set[asyncio.Task[None]] = set()
        self._uncommitted: list[RecordedEvent] = []
        self._reserve = Reserve(path)
        self._writer = SqliteWriter(path, self._record, self._group_ended, measured)
        self._readers = Readers(path)
        self._watcher = Watcher(self._readers, self._wake)

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
        await asyncio.to_thread(file.prepare, path, for_import=for_import)
        log = cls(path, clock=clock, projector=projector, measured=measured)
        if log._read_now(functools.partial(documents.leftovers, with_built=True)):
            log._background.add(asyncio.create_task(rebuild.tidy(clock, log._write_long)))
        return log

    @property
    def write_failure(self) -> Error | None:
        return self._writer.failure

    def serve_alone(self, *, is_alone: bool) -> None:
        self._watcher.is_alone = is_alone

    async def size_bytes(self) -> int:
        return await asyncio.to_thread(file.size_bytes, self._path)

    async def schema_state(self) -> str:
        return await asyncio.to_thread(file.schema_state, self._path)

    async def _append(self, append: Append) -> list[RecordedEvent]:
        self._check_open()
        return await self._writer.append(append)

    def _record(self, connection: sqlite3.Connection, appends: Sequence[Append]) -> Sequence[Piece]:
        group = self._recorder.record(connection, appends)
        self._uncommitted += group.recorded
        return group.pieces

    async def look(self, after: Mapping[str, int], documents: Collection[Which] = ()) -> Look:
        return self._read_now(lambda connection: rows.look(connection, after, documents))

    async def read_last(self, streams: Sequence[str]) -> list[RecordedEvent | None]:
        query = "SELECT position, stream, record FROM events WHERE stream = ? ORDER BY version DESC LIMIT 1"

        def read(connection: sqlite3.Connection) -> list[RecordedEvent | None]:
            found = (rows.read_events(connection, query, (stream,)) for stream in streams)
            return [events[0] if events else None for events in found]

        return self._read_now(read)

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
        return await rebuild.run(Build(self._projector, self._clock), self._write_long)

    async def check_chain(self) -> int:
        return await self._read(rows.check_chain)

    async def erase_sealed(self, sha256s: Iterable[bytes]) -> int:
        left = deque(sha256s)
        erased = 0

        def work(connection: sqlite3.Connection) -> int:
            # Only now, while no other process can write to the log: an append would take the space.
            if self._reserve.is_needed:
                self._reserve.free()
            return disk.erase_some(connection, left)

        while left:
            erased += await self._write(work, is_long=True)
            await self._read(disk.cut_write_ahead_log)
        with contextlib.suppress(UnavailableError):  # they are erased, and that counts
            while await self._write(disk.shrink_some, is_long=True):
                await self._read(disk.cut_write_ahead_log)
            await self._read(disk.cut_write_ahead_log)
        await asyncio.to_thread(self._reserve.make)
        return erased

    async def try_write(self, body: bytes) -> None:
        # It would be in the write-ahead log, and then in the file, as far as that has no room of its own.
        free = await self._read(disk.free_bytes)
        if not self._reserve.has_room(2 * len(body) - min(free, len(body))):
            raise file.full(self._path)
        # The whole of it would take, again and again, the room in which sealed bytes are just being erased.
        await super().try_write(body[:_TRIED])

    async def lease(self, name: str, holder: str, *, ttl_ms: int) -> bool:
        rebuild.check_lease(name, holder, ttl_ms)
        return await self._write(
            lambda connection: rebuild.take(connection, name, holder, now_ms=self._clock(), ttl_ms=ttl_ms)
        )

    async def import_records(self, records: Sequence[bytes], sealed: Sequence[bytes] = ()) -> None:
        await self._write(lambda connection: rows.import_records(connection, records, sealed), is_long=True)

    async def finish_import(self, *, log_id: str = "") -> int:
        # Until it is finished no other process appends, or asks.
        await rebuild.run(Build(self._projector, self._clock, piece_s=rebuild.LONG_PIECE_S), self._write_long)
        return await self._write(lambda connection: rows.finish_import(connection, log_id))

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

    def _group_ended(self, is_committed: bool) -> None:  # noqa: FBT001 - the writer calls it
        new, self._uncommitted = self._uncommitted, []
        if not is_committed:
            self._recorder.forget()
        if is_committed and self._tail.extend(new):
            self._watcher.saw(new[-1].position)
            self._wake()

    def _last_seen(self) -> int:
        return self._watcher.seen

    def _following(self) -> contextlib.AbstractContextManager[object]:
        return self._watcher.watching()

    async def _fetch(self, statement: str, *values: object) -> list[Row]:
        return self._read_now(lambda connection: connection.execute(statement, rows.named(values)).fetchall())

    async def _execute(self, statement: str, *values: object) -> None:
        await self._write(lambda connection: connection.execute(statement, rows.named(values)))

    async def _alone(self, steps: Callable[[], Steps[T]]) -> T:
        return await self._write(lambda connection: rows.run_steps(connection, steps()))

    async def _write_long(self, work: Callable[[sqlite3.Connection], object]) -> object:
        return await self._write(work, is_long=True)

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

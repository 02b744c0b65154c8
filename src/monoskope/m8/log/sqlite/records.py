"""Records and sealed bytes in the database: reading and adding them; on which thread, and other processes' commits."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from monoskope.errors import UnavailableError
from monoskope.m8.log import record
from monoskope.m8.log.documents import Which
from monoskope.m8.log.event_log import LogTamperedError, Look, RecordedEvent
from monoskope.m8.log.failures import has_own_events
from monoskope.m8.log.group import Head
from monoskope.m8.log.record import Following
from monoskope.m8.log.sqlite import documents, file
from monoskope.m8.log.sqlite.documents import DOCUMENTS
from monoskope.m8.log.tree_rows import Row, Steps

T = TypeVar("T")


def named(values: Row) -> dict[str, object]:
    """Return values by their places, `$1`, `$2`, …, as SQLite takes them."""
    return {str(place): value for place, value in enumerate(values, start=1)}


def run_steps(connection: sqlite3.Connection, steps: Steps[T]) -> T:
    """Run statements within the transaction that is open, and return what they come to."""
    try:
        statement, values = next(steps)
        while True:
            statement, values = steps.send(connection.execute(statement, named(values)).fetchall())
    except StopIteration as done:
        result: T = done.value
        return result


def read_events(connection: sqlite3.Connection, query: str, values: tuple[str | int, ...]) -> list[RecordedEvent]:
    """Return the events that `query` finds, as position, stream and record of each. Raises `LogTamperedError`."""
    found = connection.execute(query, values)
    return [record.of_stream(record.parse(position, row), stream) for position, stream, row in found]


_STREAM = "SELECT position, stream, record FROM events WHERE stream = ? AND version > ?"
_DOCUMENT = f"SELECT {{place}}, '', body FROM {DOCUMENTS} WHERE collection = ? AND key = ?"


def look(connection: sqlite3.Connection, after: Mapping[str, int], which: Collection[Which]) -> Look:
    """Do what `EventLog.look` says.

    In one statement: each begins and ends a transaction of its own, which takes longer than to find the rows.
    """
    events: dict[str, list[RecordedEvent]] = {stream: [] for stream in after}
    bodies: dict[Which, bytes | None] = dict.fromkeys(which)
    places = list(bodies)
    parts = [_STREAM] * len(after) + [_DOCUMENT.format(place=-place) for place in range(1, len(places) + 1)]
    if not parts:
        return Look(events, bodies)
    values = tuple(value for asked in (*after.items(), *places) for value in asked)
    for position, stream, body in connection.execute(f"{' UNION ALL '.join(parts)} ORDER BY 1", values):
        if position < 0:
            bodies[places[-position - 1]] = body
        else:
            events[stream].append(record.of_stream(record.parse(position, body), stream))
    return Look(events, bodies)


def add_events(connection: sqlite3.Connection, events: Sequence[RecordedEvent]) -> None:
    """Add records. The head stays as it is."""
    rows = [(event.position, event.stream, event.version, event.record, event.hash) for event in events]
    for some, values in documents.chunks(rows):
        connection.execute(f"INSERT INTO events VALUES {some}", values)


def read_head(connection: sqlite3.Connection, streams: Iterable[str]) -> tuple[Head, dict[str, int]]:
    """Return the head of the log, and the version of each of `streams`, 0 for one without events."""
    names = tuple(streams)
    newest = ", (SELECT coalesce(max(version), 0) FROM events WHERE stream = ?)" * len(names)
    position, digest, fence, *versions = connection.execute(
        f"SELECT position, hash, fence{newest} FROM head", names
    ).fetchone()
    return Head(position, digest, fence), dict(zip(names, versions, strict=True))


def add_sealed(connection: sqlite3.Connection, body: bytes) -> None:
    """Add sealed bytes, unless they are there."""
    connection.execute("INSERT OR IGNORE INTO sealed VALUES (?, ?)", (hashlib.sha256(body).digest(), body))


def import_records(connection: sqlite3.Connection, records: Sequence[bytes], sealed: Sequence[bytes]) -> None:
    """Do what `EventLog.import_records` says, in the transaction that is open."""
    position, last_hash = connection.execute("SELECT position, hash FROM head").fetchone()
    if not file.is_importing(connection):
        if position:
            raise has_own_events()
        # The number is a part of the file's first page, so it changes with the records or not at all.
        connection.execute(f"PRAGMA application_id = {file.IMPORTING_ID}")
    following = Following(position, last_hash)
    for body in records:
        event = following.take(body)
        query = "SELECT coalesce(max(version), 0) FROM events WHERE stream = ?"
        record.check_version(event, connection.execute(query, (event.stream,)).fetchone()[0])
        add_events(connection, [event])
    connection.execute("UPDATE head SET position = ?, hash = ?", (following.position, following.hash))
    for body in sealed:
        add_sealed(connection, body)


def finish_import(connection: sqlite3.Connection, log_id: str) -> int:
    """Do what `EventLog.finish_import` says after the documents are made, in the transaction that is open."""
    position = last_position(connection)
    if position and not file.is_importing(connection):
        raise has_own_events()
    if log_id:
        connection.execute("UPDATE log_id SET id = ?", (log_id,))
    connection.execute(f"PRAGMA application_id = {file.APPLICATION_ID}")
    return position


def last_position(connection: sqlite3.Connection) -> int:
    """Return the log's last position, 0 if it is empty."""
    return int(connection.execute("SELECT position FROM head").fetchone()[0])


def check_chain(connection: sqlite3.Connection) -> int:
    """Check the whole log in one snapshot, and return its last position. Raises `LogTamperedError`."""
    chain = record.Chain()
    connection.execute("BEGIN")
    try:
        for row in connection.execute("SELECT position, stream, version, hash, record FROM events ORDER BY position"):
            chain.follow(row[:4], row[4])
        chain.finish(*connection.execute("SELECT position, hash FROM head").fetchone())
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF != sqlite3.SQLITE_CORRUPT:
            raise
        raise LogTamperedError(chain.position + 1, "the database cannot be read there") from None
    finally:
        connection.execute("ROLLBACK")
    return chain.position


READERS = 4
"""Threads, so that one long read (`check_chain`) leaves room for short ones."""

POLL_S = 0.025
"""How long a subscriber waits at most before it learns of another process's commit."""

ALONE_S = 0.25
"""The same while no other m8 serves the log: then only commands write to it, beside this process."""


class Readers:
    """Runs reads on threads that keep a read-only connection each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="m8-log-reader")

    def now(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """Run a `read` of a few rows on the caller's thread and return its result. Raises as `run`.

        It takes about 20 microseconds. On a thread it takes ten times as long, and longer in a busy process.
        """
        try:
            return self._read(read)
        except sqlite3.Error as error:
            raise self._explained(error) from None

    async def run(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """Run `read` on a thread and return its result. Raises `UnavailableError` if the database fails."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._read, read)
        except sqlite3.Error as error:
            raise self._explained(error) from None

    def _explained(self, error: sqlite3.Error) -> Exception:
        return file.explain(error, self._path) if file.is_failure(error) else error

    def _read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = file.connect(self._path, read_only=True)
            self._local.connection = connection
            self._connections.append(connection)
        return read(connection)

    async def close(self) -> None:
        """Finish the reads that run, then stop."""
        await asyncio.to_thread(self._pool.shutdown)
        for connection in self._connections:
            connection.close()


class Watcher:
    """Polls the log's last position while a subscriber waits, because another process may record events.

    Attributes:
        is_alone: Whether no other m8 serves the log.

    Args:
        readers: Asked on the event loop.
        changed: Called when there may be something new. It may be called without need, but never too rarely: every
            subscriber that waits has been woken since the position that was seen last.
    """

    def __init__(self, readers: Readers, changed: Callable[[], None]) -> None:
        self.is_alone = False
        self._readers = readers
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._waiting = 0
        self._seen = -1
        self._timer: asyncio.TimerHandle | None = None

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Poll every `POLL_S`, or `ALONE_S`, as long as the block runs."""
        self._waiting += 1
        if self._timer is None:
            self._timer = self._later()
        try:
            yield
        finally:
            self._waiting -= 1

    @property
    def seen(self) -> int:
        """The last position for which every subscriber was woken, negative for none."""
        return self._seen

    def saw(self, position: int) -> None:
        """Take note that every subscriber is woken for what stands up to `position`."""
        self._seen = position

    def close(self) -> None:
        """Stop polling."""
        self._waiting = 0
        if self._timer is not None:
            self._timer.cancel()

    def _later(self) -> asyncio.TimerHandle:
        return self._loop.call_later(ALONE_S if self.is_alone else POLL_S, self._look)

    def _look(self) -> None:
        self._timer = self._later() if self._waiting > 0 else None
        try:
            position = self._readers.now(last_position)
        except (UnavailableError, sqlite3.Error):
            position = -2  # a woken subscriber reads, has the same failure and reports it
        if position != self._seen:
            self._seen = position
            self._changed()

"""Reading: short reads on the event loop, long ones on a few threads, and noticing other processes' commits."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from monoskope.errors import UnavailableError
from monoskope.m8.log.sqlite import file
from monoskope.m8.log.sqlite.records import last_position

T = TypeVar("T")

READERS = 4
"""Threads, so that one long read (`check_chain`) leaves room for short ones."""

POLL_S = 0.025
"""How long a subscriber waits at most before it learns of another process's commit."""


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

    Args:
        readers: Asked on the event loop.
        changed: Called when there may be something new. It may be called without need, but never too rarely: every
            subscriber that waits has been woken since the position that was seen last.
    """

    def __init__(self, readers: Readers, changed: Callable[[], None]) -> None:
        self._readers = readers
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._waiting = 0
        self._seen = -1
        self._timer: asyncio.TimerHandle | None = None

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Poll every `POLL_S` as long as the block runs."""
        self._waiting += 1
        if self._timer is None:
            self._timer = self._loop.call_later(POLL_S, self._look)
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

    def _look(self) -> None:
        self._timer = self._loop.call_later(POLL_S, self._look) if self._waiting > 0 else None
        try:
            position = self._readers.now(last_position)
        except (UnavailableError, sqlite3.Error):
            position = -2  # a woken subscriber reads, has the same failure and reports it
        if position != self._seen:
            self._seen = position
            self._changed()

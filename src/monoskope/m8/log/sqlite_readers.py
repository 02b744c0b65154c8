"""Reading off the event loop: a few threads with a connection each, and one that notices other processes' commits."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from monoskope.m8.log import sqlite_file

T = TypeVar("T")

READERS = 4
"""Threads, so that one long read (`verify`) leaves room for short ones."""

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

        It takes some 20 microseconds; a thread's turn takes ten times as long, and longer the busier the process is.
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
        return sqlite_file.explain(error, self._path) if sqlite_file.is_failure(error) else error

    def _read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite_file.connect(self._path, read_only=True)
            self._local.connection = connection
            self._connections.append(connection)
        return read(connection)

    async def close(self) -> None:
        """Finish the reads that run, then stop."""
        await asyncio.to_thread(self._pool.shutdown)
        for connection in self._connections:
            connection.close()


class Watcher:
    """Polls `PRAGMA data_version`, which changes with every commit of another connection, while somebody waits.

    Args:
        path: The database.
        changed: Called on the event loop when there may be something new. It may be called for nothing, never too
            rarely: the version seen last is older than anything that a waiting subscriber has read.
    """

    def __init__(self, path: Path, changed: Callable[[], None]) -> None:
        self._path = path
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._condition = threading.Condition()
        self._waiting = 0
        self._closed = False
        self._thread = threading.Thread(target=self._main, name="m8-log-watcher", daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Poll as long as the block runs."""
        with self._condition:
            self._waiting += 1
            self._condition.notify()
        try:
            yield
        finally:
            with self._condition:
                self._waiting -= 1

    async def close(self) -> None:
        """Stop polling."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        await asyncio.to_thread(self._thread.join)

    def _main(self) -> None:
        connection: sqlite3.Connection | None = None
        seen = -1
        while self._wait():
            try:
                connection = connection or sqlite_file.connect(self._path, read_only=True)
                version = connection.execute("PRAGMA data_version").fetchone()[0]
            except sqlite3.Error:
                version = -2  # whoever is woken reads, meets the same failure and reports it
            if version != seen:
                seen = version
                with contextlib.suppress(RuntimeError):  # a closed event loop has no subscribers
                    self._loop.call_soon_threadsafe(self._changed)
            with self._condition:
                if not self._closed:
                    self._condition.wait(POLL_S)
        if connection is not None:
            connection.close()

    def _wait(self) -> bool:
        """Wait until a subscriber waits; False when closed."""
        with self._condition:
            self._condition.wait_for(lambda: self._closed or self._waiting > 0)
            return not self._closed

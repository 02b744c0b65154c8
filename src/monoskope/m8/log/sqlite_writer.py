"""The one thread of a process that writes: what waits together is committed together.

A commit forces the disk, which costs far more than the rows. So the thread takes everything that waits, gives each
piece a savepoint of its own, and commits once. A piece that is refused is rolled back to its savepoint and does not
touch the others; when the database itself fails, the whole group is rolled back and all are told.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from monoskope.errors import UnavailableError
from monoskope.failpoints import failpoint
from monoskope.m8.log import sqlite_file

T = TypeVar("T")

MAX_GROUP = 256
"""Pieces of work in one commit at most, so that the first of them does not wait for ever."""


@dataclass(frozen=True, slots=True)
class _Job:
    """A piece of work and who waits for it. It may run again in no case: a failed one is reported, not repeated."""

    work: Callable[[sqlite3.Connection], Any]
    done: asyncio.Future[Any]


_Outcome: TypeAlias = tuple[_Job, Any, Exception | None]


class Writer:
    """Runs work inside write transactions, on a thread of its own.

    Args:
        path: The database.
        committed: Called on the event loop after every group.
    """

    def __init__(self, path: Path, committed: Callable[[], None]) -> None:
        self._path = path
        self._committed = committed
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._connection: sqlite3.Connection | None = None
        self._thread = threading.Thread(target=self._main, name="m8-log-writer", daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in a transaction and return its result once that is durable.

        Raises:
            UnavailableError: the database failed; nothing was written.
            Exception: whatever `work` raised; nothing of it was written.
        """
        done: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put(_Job(work, done))
        return await done

    async def close(self) -> None:
        """Finish what waits, then stop."""
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _main(self) -> None:
        running = True
        while running:
            group = self._take()
            running = group[-1] is not None
            jobs = [job for job in group if job is not None]
            if jobs:
                self._deliver(self._commit(jobs))
        self._disconnect()

    def _take(self) -> list[_Job | None]:
        """Wait for a job, then take all that wait with it; None, the last ever put, means stop."""
        group = [self._jobs.get()]
        with contextlib.suppress(queue.Empty):
            while group[-1] is not None and len(group) < MAX_GROUP:
                group.append(self._jobs.get_nowait())
        return group

    def _commit(self, jobs: list[_Job]) -> list[_Outcome]:
        try:
            if self._connection is None:
                self._connection = sqlite_file.connect(self._path)
            self._connection.execute("BEGIN IMMEDIATE")
            outcomes = [_attempt(self._connection, job) for job in jobs]
            failpoint("m8.before-commit")
            self._connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001  every waiting caller is told, and this thread must live on
            self._disconnect()
            failure = sqlite_file.explain(error, self._path) if isinstance(error, sqlite3.Error) else _lost(error)
            return [(job, None, failure) for job in jobs]
        return outcomes

    def _disconnect(self) -> None:
        """Closing rolls back what is open; after a failure the next group starts from a clean connection."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _deliver(self, outcomes: list[_Outcome]) -> None:
        # A closed event loop has nobody left who waits.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._settle, outcomes)

    def _settle(self, outcomes: list[_Outcome]) -> None:
        self._committed()
        for job, result, error in outcomes:
            if job.done.done():
                continue
            if error is None:
                job.done.set_result(result)
            else:
                job.done.set_exception(error)


def _attempt(connection: sqlite3.Connection, job: _Job) -> _Outcome:
    """Run one job in a savepoint. Raises only if the whole transaction is lost."""
    connection.execute("SAVEPOINT job")
    try:
        result = job.work(connection)
    except Exception as error:
        if sqlite_file.is_failure(error) or not connection.in_transaction:
            raise
        connection.execute("ROLLBACK TO job")
        connection.execute("RELEASE job")
        if isinstance(error, StopIteration):  # no future can carry one
            return job, None, RuntimeError("the projector raised StopIteration.")
        return job, None, error
    connection.execute("RELEASE job")
    return job, result, None


def _lost(error: Exception) -> UnavailableError:
    return UnavailableError(
        f"the event log lost its transaction ({type(error).__name__}).", fix="Check memory and disk, then try again."
    )

"""Writing: jobs that wait at the same time are committed in one transaction.

A commit forces the disk, which costs far more than the rows; so everything that waits is written in one transaction,
with a verdict for each. What is refused does not touch the others: of appends nothing is written before their verdicts
are known, and every other job has a savepoint of its own. An append that breaks the writing itself breaks it alone: its
group is rolled back, and each job of it has a group of its own. When the database fails, every job of the group fails.

The rows of a group are a few dozen statements of some microseconds. On a thread each of them gives the interpreter's
lock away and has to wait for it again, so they run on the event loop and only the commit, which waits for the disk,
runs on the thread. Whatever may take long runs there as a whole: work that says so, and a group that has to wait for
another process's transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from monoskope.errors import Error, UnavailableError
from monoskope.failpoints import failpoint
from monoskope.m8.log.event_log import RecordedEvent
from monoskope.m8.log.group import Piece
from monoskope.m8.log.record import Append
from monoskope.m8.log.sql import settle
from monoskope.m8.log.sqlite import file

T = TypeVar("T")

MAX_GROUP = 64
"""How many jobs one commit has at most, so that neither its first job nor the event loop waits long."""


@dataclass(frozen=True, slots=True)
class _Job:
    """A job and the future of its caller. A job runs once: if it fails, that is reported, and it is not repeated."""

    work: Callable[[sqlite3.Connection], Any] | Append
    done: asyncio.Future[Any]
    is_long: bool


_Outcome: TypeAlias = tuple[_Job, Any, Exception | None]


class SqliteWriter:
    """Runs work inside write transactions, one group after the other.

    Args:
        path: The database.
        record: Records appends within a transaction, and returns what becomes of each.
        ended: Called on the event loop after every group, with whether it was committed.
        measured: Called then with the number of jobs and the seconds that the group took, if it was committed.
    """

    def __init__(
        self,
        path: Path,
        record: Callable[[sqlite3.Connection, Sequence[Append]], Sequence[Piece]],
        ended: Callable[[bool], None],
        measured: Callable[[int, float], None],
    ) -> None:
        self._record = record
        self._measured = measured
        self._began = 0.0
        self._path = path
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._jobs: deque[_Job] = deque()
        self._apart: deque[_Job] = deque()  # those of a group that one of them broke
        self._is_busy = False
        self._idle = asyncio.Event()
        self.failure: Error | None = None
        """Why the database refused a group last; None if it never did."""
        # Used by the event loop or by the thread, never by both: a group goes from one to the other.
        self._connection: sqlite3.Connection | None = None
        self._on_thread: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._main, name="m8-log-writer", daemon=True)
        self._thread.start()

    @property
    def idle(self) -> sqlite3.Connection | None:
        """The connection while no group is under way, for short reads on the event loop; None otherwise.

        SQLite drops the pages that a connection keeps when another connection has written. This one has written them.
        It waits for no other process.
        """
        return None if self._is_busy else self._connection

    async def run(self, work: Callable[[sqlite3.Connection], T], *, is_long: bool = False) -> T:
        """Run `work` in a transaction and return its result once that is durable.

        Args:
            work: Called on the event loop, or on the thread.
            is_long: Whether it does more than touch a few rows.

        Raises:
            UnavailableError: the database failed; nothing was written.
            Exception: whatever `work` raised; nothing of it was written.
        """
        result: T = await self._done(work, is_long=is_long)
        return result

    async def append(self, append: Append) -> list[RecordedEvent]:
        """Return the events of `append` once they are durable. Raises as `EventLog.append`."""
        recorded: list[RecordedEvent] = await self._done(append)
        return recorded

    async def _done(self, work: Callable[[sqlite3.Connection], Any] | Append, *, is_long: bool = False) -> Any:  # noqa: ANN401 - what the work returns
        done: asyncio.Future[Any] = self._loop.create_future()
        self._jobs.append(_Job(work, done, is_long))
        self._go_on()
        try:
            return await done
        finally:
            del done  # its error refers to this frame, and those above hold what the caller does: a cycle keeps them

    async def close(self) -> None:
        """Finish the jobs that wait, then stop."""
        while self._is_busy:
            self._idle.clear()
            await self._idle.wait()
        self._on_thread.put(None)
        await asyncio.to_thread(self._thread.join)
        self._disconnect()

    def _go_on(self) -> None:
        # Not at once, so that other appends of this iteration of the event loop join the group.
        if (self._jobs or self._apart) and not self._is_busy:
            self._is_busy = True
            self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._began = time.monotonic()
        waiting, most = (self._apart, 1) if self._apart else (self._jobs, MAX_GROUP)
        jobs = [waiting.popleft() for _ in range(min(len(waiting), most))]
        if self._connection is None or any(job.is_long for job in jobs):
            self._on_thread.put(lambda: self._deliver(self._whole(jobs)))
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error:
            # Usually another process's transaction, for which the thread waits. If not, it has the same failure.
            self._on_thread.put(lambda: self._deliver(self._whole(jobs)))
            return
        try:
            outcomes = self._attempt(self._connection, jobs)
        except Exception as error:  # noqa: BLE001  every waiting caller is told
            self._settle(self._broken(jobs, error))
            return
        self._on_thread.put(lambda: self._deliver(self._commit(outcomes)))

    def _main(self) -> None:
        while (work := self._on_thread.get()) is not None:
            work()
            del work  # it holds what became of the group, with its errors

    def _whole(self, jobs: list[_Job]) -> list[_Outcome]:
        """Run a group from its beginning to its commit, on the thread."""
        try:
            if self._connection is None:
                self._connection = file.connect(self._path)
            self._connection.execute(f"PRAGMA busy_timeout = {file.BUSY_MS}")
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute("PRAGMA busy_timeout = 0")  # the event loop must not wait
            outcomes = self._attempt(self._connection, jobs)
        except Exception as error:  # noqa: BLE001  every waiting caller is told, and this thread must live on
            return self._broken(jobs, error)
        return self._commit(outcomes)

    def _attempt(self, connection: sqlite3.Connection, jobs: list[_Job]) -> list[_Outcome]:
        """Record all appends together, and run each other job. Raises only if the whole transaction is lost."""
        appends = [job for job in jobs if isinstance(job.work, Append)]
        pieces = self._record(connection, [job.work for job in appends if isinstance(job.work, Append)])
        outcomes: list[_Outcome] = [
            (job, piece.recorded, piece.error) for job, piece in zip(appends, pieces, strict=True)
        ]
        return outcomes + [_attempt(connection, job, job.work) for job in jobs if not isinstance(job.work, Append)]

    def _commit(self, outcomes: list[_Outcome]) -> list[_Outcome]:
        try:
            failpoint("m8.before-commit")
            assert self._connection is not None, "its transaction is open"
            self._connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001  as above
            return self._failed([job for job, _, _ in outcomes], error)
        return outcomes

    def _broken(self, jobs: list[_Job], error: Exception) -> list[_Outcome]:
        """Take back a group that could not be attempted; return the jobs that fail. The others are attempted again."""
        if self._connection is None or file.is_failure(error) or not self._connection.in_transaction:
            return self._failed(jobs, error)
        # Of the database nothing failed: it was one of the appends, before any other job ran.
        self._disconnect()
        if len(jobs) == 1:
            return [(jobs[0], None, error)]
        self._apart.extend(jobs)
        return []

    def _failed(self, jobs: list[_Job], error: Exception) -> list[_Outcome]:
        self._disconnect()
        failure = file.explain(error, self._path) if isinstance(error, sqlite3.Error) else _lost(error)
        self.failure = failure
        return [(job, None, failure) for job in jobs]

    def _disconnect(self) -> None:
        """Closing rolls back what is open; after a failure the next group starts from a clean connection."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _deliver(self, outcomes: list[_Outcome]) -> None:
        # On a closed event loop no caller waits any more.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._settle, outcomes)

    def _settle(self, outcomes: list[_Outcome]) -> None:
        self._is_busy = False
        self._idle.set()
        self._ended(self._connection is not None)
        if self._connection is not None:
            self._measured(len(outcomes), time.monotonic() - self._began)
        for job, result, error in outcomes:
            settle(job.done, result, error)
        self._go_on()


def _attempt(connection: sqlite3.Connection, job: _Job, work: Callable[[sqlite3.Connection], Any]) -> _Outcome:
    """Run one job in a savepoint. Raises only if the whole transaction is lost."""
    connection.execute("SAVEPOINT job")
    try:
        result = work(connection)
    except Exception as error:
        if file.is_failure(error) or not connection.in_transaction:
            raise
        connection.execute("ROLLBACK TO job")
        connection.execute("RELEASE job")
        return job, None, error
    connection.execute("RELEASE job")
    return job, result, None


def _lost(error: Exception) -> UnavailableError:
    return UnavailableError(
        f"the event log lost its transaction ({type(error).__name__}).", fix="Check memory and disk, then try again."
    )

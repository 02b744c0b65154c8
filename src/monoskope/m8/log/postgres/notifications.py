"""Following the log by what an append notifies, and whether a pooler between m8 and PostgreSQL swallows that.

What was recorded last is kept for subscribers, whichever process recorded it. A notification that is lost costs a
second and no event, because the head is read every second besides. The order is: listen, then catch up.

Behind a pooler that shares sessions, such as pgbouncer in transaction mode, LISTEN is accepted and nothing arrives, and
session locks are granted to every client. So what m8 needs is tried at its start: one session listens, another one
notifies. A pooler that gives each client a session of its own passes.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial

import asyncpg

from monoskope.errors import Error, UsageError
from monoskope.m8.log.event_log import RecordedEvent
from monoskope.m8.log.postgres import connections
from monoskope.m8.log.postgres.connections import Connection, Pool, deadline
from monoskope.m8.log.postgres.failures import FAILURES
from monoskope.m8.log.postgres.records import last_position, read
from monoskope.m8.log.postgres.schema import CHANNEL
from monoskope.m8.log.postgres.target import PostgresTarget
from monoskope.m8.log.sql import KEPT, Tail

WAIT_S = 5.0
"""Seconds in which a notification must arrive. From PostgreSQL itself it takes about a millisecond."""

_SHARED = (
    asyncpg.InvalidSQLStatementNameError,
    asyncpg.DuplicatePreparedStatementError,
    asyncpg.ProtocolViolationError,
    asyncpg.NoActiveSQLTransactionError,
)
"""What sessions fail with that are not the client's own, and pgbouncer in statement mode."""


class SharedSessionsError(UsageError):
    """A pooler between m8 and PostgreSQL shares sessions among clients."""

    def __init__(self, target: PostgresTarget) -> None:
        super().__init__(
            f"between m8 and the database {target} stands a pooler that shares sessions among its clients, such as "
            "pgbouncer in transaction or statement mode: m8 would not hear of new events there.",
            fix="Connect to PostgreSQL itself, or set pool_mode = session for this database in pgbouncer.",
        )


@contextlib.asynccontextmanager
async def checked(target: PostgresTarget, *, wait_s: float = WAIT_S) -> AsyncIterator[Connection]:
    """Check that a session hears what another one notifies, and that each has a process of its own; then give one.

    Raises:
        SharedSessionsError: it does not.
        Error: as `connections.connect`.
    """
    async with _session(target) as listens:
        async with _session(target) as notifies:
            with connections.explained(target):
                try:
                    is_heard = await _is_heard(listens, notifies, wait_s)
                except _SHARED:
                    is_heard = False
        if not is_heard:
            raise SharedSessionsError(target)
        yield listens


@contextlib.asynccontextmanager
async def _session(target: PostgresTarget) -> AsyncIterator[Connection]:
    # Without prepared statements: they fail in shared sessions, but only sometimes.
    connection = await connections.connect(target, cached_statements=0)
    try:
        yield connection
    finally:
        # A pooler ends its session, too; a polite close could wait for a server that has stopped.
        connection.terminate()


async def _is_heard(listens: Connection, notifies: Connection, wait_s: float) -> bool:
    """Whether the session that listens, and no other one, gets the notification."""
    channel = f"m8_probe_{secrets.token_hex(8)}"
    heard = asyncio.Event()
    async with asyncio.timeout(wait_s + connections.HOST_S):
        await listens.add_listener(channel, lambda *_: heard.set())
        processes = [await session.fetchval("SELECT pg_backend_pid()") for session in (listens, notifies, listens)]
        # An idle pool gives its last session to the next client, so this alone finds most of them at once.
        if processes[0] == processes[1] or processes[0] != processes[2]:
            return False
        await notifies.execute("SELECT pg_notify($1, '')", channel)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            await heard.wait()
    return heard.is_set()


POLL_S = 1.0
"""How often the head is read, whether or not a notification came."""

_DIGITS = 19
"""Of a position at most."""

_BACKOFF_S = (0.1, 0.2, 0.5, 1.0, 2.0)
"""How long it waits before it connects again, the last one for ever."""


class Follower:
    """Keeps `tail` at the end of the log from the first `start` on.

    Args:
        connect: Connects to the database. Raises `UnavailableError`.
        tail: What is kept.
        pool: For reads.
        wake: Called when `tail` has new events.
        is_own: Whether a server's process works for this process's own writer, which tells by `recorded`.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        tail: Tail,
        pool: Pool,
        wake: Callable[[], None],
        is_own: Callable[[int], bool],
    ) -> None:
        self._connect = connect
        self._tail = tail
        self._pool = pool
        self._wake = wake
        self._is_own = is_own
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Follow the log from now on."""
        if self._task is None:
            self._task = asyncio.create_task(self._main(), name="m8-log-follower")

    def recorded(self, events: Sequence[RecordedEvent]) -> None:
        """Take note of what this process recorded."""
        if self._tail.extend(events):
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
                connection = await self._connect()
                try:
                    failures = 0
                    await self._listen(connection)
                finally:
                    connection.terminate()
            await asyncio.sleep(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
            failures += 1

    async def _listen(self, connection: Connection) -> None:
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

    def _notified(self, _connection: object, pid: int, _channel: str, payload: object) -> None:
        if self._is_own(pid):
            return
        # Every role of the database may notify, with any text of up to 8 kB.
        text = str(payload)
        if not text.isdecimal() or len(text) > _DIGITS or int(text) > self._tail.last:
            self._changed.set()

    async def _catch_up(self) -> None:
        head = await self._pool.run(last_position)
        while self._tail.last < head:
            after = max(self._tail.last, head - KEPT)
            events = await self._pool.run(partial(read, after=after, limit=KEPT))
            if not self._tail.extend(events) or self._tail.last < head - KEPT:
                break  # a record is missing: subscribers find that out when they read
            self._wake()

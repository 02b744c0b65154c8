"""Whether a pooler that shares sessions, such as pgbouncer in transaction mode, stands between m8 and PostgreSQL.

There LISTEN is accepted and nothing arrives, and session locks are granted to every client. So what m8 needs is tried:
one session listens, another one notifies. A pooler that gives each client a session of its own passes.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator

import asyncpg

from monoskope.errors import UsageError
from monoskope.m8.log.postgres import connections
from monoskope.m8.log.postgres.connections import Connection
from monoskope.m8.log.postgres.target import PostgresTarget

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

"""Connections to the PostgreSQL that takes writes: every host is tried, each within a bounded time.

What the role or the database sets for its sessions may not harm m8, so a new session sets it back (`_OWN_SETTINGS`).

A deadline cuts the socket. A cancel request, which the driver's own `timeout=` and `asyncio.timeout` send, would end
the wait for a synchronous standby: the commit would then be visible although no standby has it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar

import asyncpg

from monoskope.errors import AwayError, Error, UnavailableError
from monoskope.event_loop import heeded
from monoskope.m8.log.failures import closed
from monoskope.m8.log.postgres.failures import (
    FAILURES,
    MINIMUM_VERSION,
    READ_ONLY,
    SILENT,
    TOO_OLD,
    Refusal,
    diagnose,
    explain,
    is_lost,
    why,
)
from monoskope.m8.log.postgres.target import PostgresTarget

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

HOST_S = 2.0
"""Seconds in which each of several hosts must answer: a stopped server still accepts TCP."""

ALONE_S = 5.0
"""Seconds for the only host there is: to give it up sooner helps no caller."""

_OWN_SETTINGS = MappingProxyType(
    {
        # m8 has deadlines of its own, and cutting a commit short in the server leaves an append unknown.
        "statement_timeout": "0",
        "transaction_timeout": "0",
        "lock_timeout": "0",
        "idle_session_timeout": "0",
        # A process that was stopped in a transaction must not hold the others up for longer.
        "idle_in_transaction_session_timeout": "30s",
        "default_transaction_isolation": "read committed",
        "default_transaction_deferrable": "off",
        # A commit that no standby confirmed is told by a warning alone.
        "client_min_messages": "warning",
    }
)

_SET = """
SELECT pg_catalog.set_config(s.name, w.value, false)
FROM unnest($1::text[], $2::text[]) AS w(name, value) JOIN pg_catalog.pg_settings s ON s.name = w.name
UNION ALL
SELECT pg_catalog.set_config(
  'synchronous_commit', CASE WHEN w.now IN ('off', 'local', 'remote_write') THEN 'on' ELSE w.now END, false
)
FROM (SELECT pg_catalog.current_setting('synchronous_commit') AS now) AS w
UNION ALL
SELECT pg_catalog.set_config('search_path', pg_catalog.quote_ident(pg_catalog.current_schema()) || ', pg_temp', false)
WHERE pg_catalog.current_schema() IS NOT NULL
"""
"""Only settings that this version of the server has. A commit that is not on disk must not count as recorded; a
stronger mode (`remote_apply`) stays. It is set even where it is right: else the server's configuration could change it
for a session that is open. Names are looked up in m8's own schema alone: in another one, such as `public`, others may
have made a function that fits a call of ours better than PostgreSQL's own (CVE-2018-1058)."""


async def connect(target: PostgresTarget, *, host_s: float | None = None, cached_statements: int = 100) -> Connection:
    """Connect to the first host that takes writes.

    Args:
        target: Where.
        host_s: Seconds for each host; None for `HOST_S`, or `ALONE_S` if there is one host.
        cached_statements: How many prepared statements the connection keeps; 0 for none, as a pooler may need.

    Raises:
        Error: no host can be used; `UnavailableError` where time may mend it, else what says which setting is wrong.
    """
    if host_s is None:
        host_s = HOST_S if len(target.hosts) > 1 else ALONE_S
    refused: list[tuple[str, Refusal]] = []
    for host, port in target.hosts:
        try:
            return await _connect_host(target, host, port, host_s, cached_statements)
        except FAILURES as error:
            refusal = await diagnose(error, host, port)
        except _RefusedHostError as error:
            refusal = error.refusal
        refused.append((f"{host}:{port}", refusal))
    raise _error(target, refused)


async def reach(target: PostgresTarget) -> None:
    """Return if each host answers as a PostgreSQL, with a certificate that counts; whether it lets anybody in is open.

    Raises:
        Error: one does not; says why, as `connect` does.
    """
    for host, port in target.hosts:
        try:
            await close(await asyncpg.connect(**target.arguments(host, port), timeout=ALONE_S))
        except asyncpg.PostgresError:
            continue
        except FAILURES as error:
            raise _error(target, [(f"{host}:{port}", await diagnose(error, host, port))]) from None


async def reconnect(target: PostgresTarget, *, host_s: float | None = None, cached_statements: int = 100) -> Connection:
    """Connect as `connect` does, for a log that is open: whatever is wrong then is told as unavailable.

    The callers are users, whose own token and command are right.

    Raises:
        UnavailableError: no host can be used.
    """
    try:
        return await connect(target, host_s=host_s, cached_statements=cached_statements)
    except Error as error:
        away = (AwayError if isinstance(error, UnavailableError) else UnavailableError)(error.message, fix=error.fix)
        away.place = error.place
        raise away from None


@contextlib.contextmanager
def explained(target: PostgresTarget) -> Iterator[None]:
    """Turn the driver's errors of the block into ours: `UnavailableError`, or what says which setting is wrong."""
    try:
        yield
    except FAILURES as error:
        raise _error(target, [("", why(error) or SILENT)]) from None


class _RefusedHostError(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


async def _connect_host(
    target: PostgresTarget, host: str, port: int, host_s: float, cached_statements: int
) -> Connection:
    async with asyncio.timeout(host_s):
        connection = await _uncancelled(
            asyncpg.connect(
                **target.arguments(host, port),
                statement_cache_size=cached_statements,
                timeout=host_s,
            )
        )
        try:
            await _make_usable(connection)
        except BaseException:
            connection.terminate()
            raise
    return connection


async def _uncancelled(connecting: Coroutine[Any, Any, Connection]) -> Connection:
    """Await a connection that is being made. A caller that is cancelled waits for its end, too, and it is cut.

    The driver, cancelled, ends TLS in good order after that, and leaves the socket open meanwhile.
    """
    task = asyncio.ensure_future(connecting)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        # By callbacks: while it is waited for here, this may be cancelled once more.
        heeded(task)
        task.add_done_callback(_cut)
        await asyncio.wait({task})
        raise


def _cut(connecting: asyncio.Future[Connection]) -> None:
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().terminate()


async def _make_usable(connection: Connection) -> None:
    if connection.get_server_version().major < MINIMUM_VERSION:
        raise _RefusedHostError(TOO_OLD)
    # By itself and first, because a short timeout would end the statement that sets the rest.
    await connection.execute("SET statement_timeout = 0")
    await connection.fetch(_SET, list(_OWN_SETTINGS), list(_OWN_SETTINGS.values()))


def _error(target: PostgresTarget, refused: list[tuple[str, Refusal]]) -> Error:
    """One error for all hosts. It is of the kind that time may mend if that is so for one of them."""
    passing = [refusal for _, refusal in refused if refusal.kind is UnavailableError]
    # A primary that is down says better what is missing than a standby that takes no writes.
    down = [refusal for refusal in passing if refusal is not READ_ONLY]
    chosen = (down or passing or [refusal for _, refusal in refused])[0]
    error = chosen.kind(f"the PostgreSQL database of the event log cannot be used: {chosen.reason}.", fix=chosen.fix)
    several = "; ".join(f"{host}: {refusal.reason}" for host, refusal in refused)
    error.place = f"{target}: {several}" if len(refused) > 1 else str(target)
    return error


T = TypeVar("T")

STATEMENT_S = 4.0
"""How long one statement may take: a stopped server still accepts connections, and answers nothing."""

LONG_S = 3_600.0
"""How long a statement may take that reads or cleans a whole table."""

CLOSE_S = 10.0
"""How long a log that is being closed waits for what is written. Then it gives up what is left."""

POOL = 4
"""Connections for reads, so that one long read leaves room for short ones."""


@contextlib.contextmanager
def deadline(connection: Connection, seconds: float = STATEMENT_S) -> Iterator[None]:
    """Cut the connection if the block takes longer. What waits for an answer then fails with a lost connection.

    A connection that is cut between two messages of one statement, by this or from elsewhere, fails in the same way.
    """
    timer = asyncio.get_running_loop().call_later(seconds, connection.terminate)
    try:
        yield
    except AttributeError as error:
        # The driver goes on with the protocol that the connection no longer has.
        if error.obj is not None or not connection.is_closed():
            raise
        raise asyncpg.InterfaceError("the connection was cut") from None
    finally:
        timer.cancel()


class Pool:
    """A few connections for statements of their own. A statement that finds its connection dead runs once more."""

    def __init__(self, target: PostgresTarget, *, size: int = POOL) -> None:
        self._target = target
        self._idle: list[Connection] = []
        self._places = asyncio.Semaphore(size)
        self._is_closed = False

    async def run(self, use: Callable[[Connection], Awaitable[T]], *, seconds: float = STATEMENT_S) -> T:
        """Return what `use` makes of a connection. It may be called twice, so it only reads, or may be repeated.

        Raises:
            UnavailableError: the database does not answer, or refuses; or this was closed before its turn came.
        """
        async with self._places:
            if self._is_closed:
                raise closed()
            try:
                if self._idle:
                    try:
                        return await self._run(self._idle.pop(), use, seconds)
                    except FAILURES as error:
                        if not is_lost(error):
                            raise
                        self._drop_idle()  # they lead to the same server, which has gone
                return await self._run(await reconnect(self._target), use, seconds)
            except FAILURES as error:
                raise explain(error, self._target) from None

    async def _run(self, connection: Connection, use: Callable[[Connection], Awaitable[T]], seconds: float) -> T:
        try:
            with deadline(connection, seconds):
                result = await use(connection)
        except BaseException:
            # Also after a cancelled read: the driver would have the next user wait for the end of it.
            connection.terminate()
            raise
        if self._is_closed or connection.is_closed():
            connection.terminate()
        else:
            self._idle.append(connection)
        return result

    def _drop_idle(self) -> None:
        for connection in self._idle:
            connection.terminate()
        self._idle.clear()

    async def close(self) -> None:
        """Close the connections, those in use when they are given back."""
        self._is_closed = True
        idle, self._idle = self._idle, []
        await asyncio.gather(*(close(connection) for connection in idle))


async def close(connection: Connection) -> None:
    """Close a connection on which nothing runs."""
    try:
        with deadline(connection):
            await connection.close()
    except FAILURES:
        connection.terminate()

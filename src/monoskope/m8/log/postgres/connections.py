"""Connections to the one host that takes writes, each with a deadline that no cancelled commit can come from.

A deadline cuts the socket. A cancel request, which the driver's own `timeout=` and `asyncio.timeout` send, would end
the wait for a synchronous standby: the commit would then be visible although no standby has it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from monoskope.m8.log.failures import closed
from monoskope.m8.log.postgres import connecting
from monoskope.m8.log.postgres.connecting import Connection
from monoskope.m8.log.postgres.failures import FAILURES, explain, is_lost
from monoskope.m8.log.postgres.target import PostgresTarget

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
    """Cut the connection if the block takes longer. What waits for an answer then fails with a lost connection."""
    timer = asyncio.get_running_loop().call_later(seconds, connection.terminate)
    try:
        yield
    finally:
        timer.cancel()


class Connector:
    """Connects to whichever host of `target` takes writes."""

    def __init__(self, target: PostgresTarget) -> None:
        self.target = target

    async def connect(self) -> Connection:
        """Return a new connection. Raises `UnavailableError` if no host takes writes."""
        return await connecting.reconnect(self.target)


class Pool:
    """A few connections for statements of their own. A statement that finds its connection dead runs once more."""

    def __init__(self, connector: Connector, *, size: int = POOL) -> None:
        self._connector = connector
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
                return await self._run(await self._connector.connect(), use, seconds)
            except FAILURES as error:
                raise explain(error, self._connector.target) from None

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

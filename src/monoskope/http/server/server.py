"""A server: it listens, keeps its connections within their deadlines, and drains."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

from monoskope.host_port import HostPort
from monoskope.http.messages import Application
from monoskope.http.server.accepting import Acceptor, Gate, OpenGate
from monoskope.http.server.answers import Tell
from monoskope.http.server.connection import Connection, Shared
from monoskope.http.server.limits import Limits

DRAIN_S = 5.0
"""Seconds for the calls under way when a server stops, unless its caller says otherwise."""


def ignore(_: Exception) -> None:
    """Log nothing of a defect. Its peer hears of it in any case."""


class Server:
    """A server that is bound to its address. `start` lets it answer, `drain` ends it.

    Attributes:
        port: Where it is bound; 0 for a Unix socket.
    """

    def __init__(self, listener: asyncio.Server | Acceptor, shared: Shared) -> None:
        self._listener = listener
        self._shared = shared
        self._sweeping: asyncio.TimerHandle | None = None
        name = listener.sockets[0].getsockname()
        self.port: int = name[1] if isinstance(name, tuple) else 0

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._shared.connections)

    async def start(self) -> None:
        """Answer from now on. Raises `OSError` if another program began to listen at the address meanwhile."""
        for bound in self._listener.sockets:
            # By our own hand first: uvloop does not tell that the system refuses to listen.
            with socket.fromfd(bound.fileno(), bound.family, bound.type) as same:
                same.listen(self._shared.limits.most)
        await self._listener.start_serving()
        self._sweep()

    async def drain(self, seconds: float = DRAIN_S) -> None:
        """Stop: accept nothing, answer what is under way, then end every connection.

        Streams and WebSockets have no end of their own. The application may end them within `Limits.ending_s`.
        Then their iterators are closed, and WebSockets are told that the server goes away (1001).

        Args:
            seconds: For the calls under way. What is left then is cut off.
        """
        self._shared.is_draining = True
        self._listener.close()
        for connection in list(self._shared.connections):
            connection.drain()
        ending = min(self._shared.limits.ending_s, seconds)
        if not await self._gone(ending):
            for connection in list(self._shared.connections):
                connection.end_stream()
            if not await self._gone(seconds - ending):
                for connection in list(self._shared.connections):
                    connection.transport.abort()
                await self._gone(ending)
        if self._sweeping is not None:
            self._sweeping.cancel()

    async def _gone(self, seconds: float) -> bool:
        """Whether every connection has ended within so many seconds."""
        if not self._shared.connections:
            return True
        self._shared.gone.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._shared.gone.wait()
        return not self._shared.connections

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweeping = loop.call_later(self._shared.limits.sweep_s, self._sweep)
        now = loop.time()
        if isinstance(self._listener, Acceptor):
            self._listener.sweep(now)
        for connection in [one for one in self._shared.connections if one.deadline <= now]:
            try:
                connection.expire()
            except Exception as error:  # noqa: BLE001 - without a sweep no connection would have a deadline any more
                self._shared.tell(error)
                connection.transport.abort()


async def bind(
    address: HostPort | Path,
    application: Application,
    *,
    limits: Limits | None = None,
    tls: ssl.SSLContext | None = None,
    tell: Tell = ignore,
    gate: Gate | None = None,
) -> Server:
    """Return a server that is bound to its address, and does not answer yet.

    Args:
        address: `host:port`, port 0 for a free one; or the path of a Unix socket, which is its owner's alone.
        application: What it serves.
        limits: What one peer may take.
        tls: The certificate, the versions, ALPN; None for no TLS.
        tell: What hears of each exception that the application did not expect. The peer is told 500.
        gate: Decides which connections there may be besides `limits`; None lets every peer in.

    Raises:
        OSError: the address cannot be bound.
    """
    limits = limits or Limits()
    shared = Shared(application, limits, tell, OpenGate() if gate is None else gate)
    loop = asyncio.get_running_loop()

    def connection(entered: object = None) -> Connection:
        return Connection(shared, entered)

    if isinstance(address, HostPort):
        listener = await loop.create_server(
            connection,
            address.host,
            address.port,
            backlog=limits.most,
            start_serving=False,
        )
        if tls is not None:
            return Server(Acceptor(listener, tls, connection, shared), shared)
    else:
        mask = os.umask(0o177)
        try:
            listener = await loop.create_unix_server(connection, address, start_serving=False)
        finally:
            os.umask(mask)
    return Server(listener, shared)


@contextlib.asynccontextmanager
async def serving(
    address: HostPort | Path,
    application: Application,
    *,
    limits: Limits | None = None,
    tls: ssl.SSLContext | None = None,
    tell: Tell = ignore,
    drain_s: float = DRAIN_S,
) -> AsyncIterator[int]:
    """Serve as long as the block runs, then drain; yields the port. Arguments and errors as for `bind`."""
    server = await bind(address, application, limits=limits, tls=tls, tell=tell)
    await server.start()
    try:
        yield server.port
    finally:
        await server.drain(drain_s)

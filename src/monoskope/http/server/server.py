"""A server: it listens, keeps its connections within their deadlines, and drains.

With TLS it must know of a connection before a handshake begins. An event loop begins one as soon as its first bytes are
there, and the costly part of it with them. So an `Acceptor` accepts connections: each waits for its first byte, and may
be refused then, before anything was made for it but a socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from monoskope.host_port import HostPort
from monoskope.http.messages import Application
from monoskope.http.server.connection import Connection
from monoskope.http.server.limits import Gate, Limits, OpenGate, Shared, Tell, give_back_buffer, named


@dataclass(slots=True)
class _Accepted:
    """A connection whose handshake has not ended."""

    peer: str
    entered: object
    deadline: float


_AT_ONCE = 64
"""Connections that are accepted before the event loop goes on."""

_PAUSE_S = 0.5
"""How long none is accepted where the system has no file for one."""


class Acceptor:
    """Accepts connections for `asyncio.Server`s that are bound, and that it never starts.

    Args:
        bound: Bound to the addresses.
        tls: What the server shows.
        shared: Of the server's connections.
    """

    def __init__(self, bound: asyncio.Server, tls: ssl.SSLContext, shared: Shared) -> None:
        self._bound = bound
        self._tls = tls
        self._shared = shared
        self._loop = asyncio.get_running_loop()
        self._listening: list[socket.socket] = []
        self._silent: dict[socket.socket, _Accepted] = {}
        self._shaking: dict[asyncio.Task[None], socket.socket] = {}

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The sockets that are bound."""
        return tuple(self._bound.sockets)

    async def start_serving(self) -> None:
        """Accept connections from now on. The sockets listen already."""
        for bound in self._bound.sockets:
            # A file of our own: uvloop lets no other code wait for those of its servers.
            own = socket.fromfd(bound.fileno(), bound.family, bound.type, bound.proto)
            own.settimeout(0)
            self._listening.append(own)
            self._loop.add_reader(own, self._accept, own)

    def close(self) -> None:
        """Accept nothing more, and leave those that have not ended their handshakes."""
        for own in self._listening:
            self._loop.remove_reader(own)
            own.close()
        self._listening.clear()
        for connection in list(self._silent):
            self._leave(connection)
        # A task that is cancelled before its first step would close nothing.
        for connection in self._shaking.values():
            _shut(connection)
        self._bound.close()

    async def wait_closed(self) -> None:
        """Return when the handshakes that `close` cut off have ended, after `Limits.ending_s` at the latest."""
        if self._shaking:
            await asyncio.wait(self._shaking, timeout=self._shared.limits.ending_s)

    def sweep(self, now: float) -> None:
        """Leave the connections that have sent nothing for too long."""
        for connection in [one for one, accepted in self._silent.items() if accepted.deadline <= now]:
            self._leave(connection)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                connection, name = listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:
                self._loop.remove_reader(listening)
                self._loop.call_later(_PAUSE_S, self._resume, listening)
                return
            connection.settimeout(0)
            deadline = self._loop.time() + self._shared.limits.handshake_s
            accepted = self._silent[connection] = _Accepted(named(name), None, deadline)
            self._loop.add_reader(connection, self._begin, connection)
            accepted.entered = self._shared.gate.enter(accepted.peer, partial(_shut, connection))

    def _resume(self, listening: socket.socket) -> None:
        if listening in self._listening:
            self._loop.add_reader(listening, self._accept, listening)

    def _begin(self, connection: socket.socket) -> None:
        """Begin the handshake of a peer that has sent something, if it may."""
        is_there = False
        with contextlib.suppress(OSError):
            is_there = bool(connection.recv(1, socket.MSG_PEEK))
        if not is_there or not self._shared.gate.admit(self._silent[connection].peer):
            self._leave(connection)
            return
        self._loop.remove_reader(connection)
        accepted = self._silent.pop(connection)
        task = self._loop.create_task(self._shake(connection, accepted.entered))
        self._shaking[task] = connection
        task.add_done_callback(self._shaking.pop)

    def _leave(self, connection: socket.socket) -> None:
        self._loop.remove_reader(connection)
        self._shared.gate.leave(self._silent.pop(connection).entered)
        connection.close()

    async def _shake(self, connection: socket.socket, entered: object) -> None:
        seconds = self._shared.limits.handshake_s
        try:
            _, protocol = await self._loop.connect_accepted_socket(
                partial(Connection, self._shared, entered),
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=seconds,
                ssl_shutdown_timeout=seconds,
            )
        except BaseException as error:  # one connection fails, and the server goes on
            self._shared.gate.leave(entered)
            if not isinstance(error, Exception):
                raise
            if not isinstance(error, OSError):  # of a handshake that failed the peer was told by TLS, or it is gone
                self._shared.tell(error)
        else:
            give_back_buffer(protocol)


def _shut(connection: socket.socket) -> None:
    """End a connection before or during its handshake: whatever waits for it sees its end."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


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
        Then their iterators are closed, and WebSockets are told that the server goes away (1001). Nor is a peer waited
        for longer that has its answer, and does not close a connection that was closed here.

        Args:
            seconds: For the calls under way. What is left then is cut off.
        """
        self._shared.is_draining = True
        self._listener.close()
        for connection in list(self._shared.connections):
            connection.drain()
        if isinstance(self._listener, Acceptor):
            await self._listener.wait_closed()
        if not await self._gone(ending := min(self._shared.limits.ending_s, seconds)):
            for connection in list(self._shared.connections):
                connection.end_stream()
            if not await self._gone(seconds - ending):
                for connection in list(self._shared.connections):
                    connection.transport.abort()
                await self._gone(ending)
        if self._sweeping is not None:
            self._sweeping.cancel()

    async def _gone(self, seconds: float) -> bool:
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
    loop, connection = asyncio.get_running_loop(), partial(Connection, shared)
    if isinstance(address, HostPort):
        host, port = address.host, address.port
        listener = await loop.create_server(connection, host, port, backlog=limits.most, start_serving=False)
        if tls is not None:
            return Server(Acceptor(listener, tls, shared), shared)
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

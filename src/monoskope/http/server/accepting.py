"""Accepting the connections of a server with TLS: what must be known before a handshake begins.

An event loop begins a handshake as soon as its first bytes are there, and the costly part of it with them. So
connections are accepted here: each waits for its first byte, and may be refused then, before anything was made for it
but a socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from monoskope.host_port import peer_name

_PROBES = (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))


def named(peer: object) -> str:
    """Return the name of a peer as `host_port.peer_name` has it, from what a transport calls `peername`."""
    return peer_name(peer[0], peer[1]) if isinstance(peer, tuple) else "unix:"


def probe(connection: socket.socket | None) -> None:
    """Let the system find out when the other machine is gone without a word."""
    if connection is None or connection.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    for name, value in _PROBES:
        option = getattr(socket, name, None)
        if option is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


if TYPE_CHECKING:
    from monoskope.http.server.connection import Connection, Shared


class Gate(Protocol):
    """Decides which connections there may be. Peers are named as `host_port.peer_name` has it."""

    def enter(self, peer: str, close: Callable[[], object], /) -> object:
        """Count a connection that was accepted, and return what `leave` takes.

        `close` ends the connection, at whatever stage it is; the gate may call it at once, or later.
        """

    def leave(self, entered: object, /) -> None:
        """Note that it has ended; to be told twice changes nothing."""

    def admit(self, peer: str, /) -> bool:
        """Return whether a peer may begin a TLS handshake now."""


class OpenGate:
    """Lets every connection in."""

    def enter(self, peer: str, close: Callable[[], object]) -> object:
        """Take note of nothing."""
        del close
        return peer

    def leave(self, entered: object) -> None:
        """Do nothing."""

    def admit(self, peer: str) -> bool:
        """Let every peer begin a handshake."""
        del peer
        return True


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
        make: Makes the protocol of a connection whose handshake has ended; it takes what the gate returned.
        shared: Of the server's connections.
    """

    def __init__(
        self,
        bound: asyncio.Server,
        tls: ssl.SSLContext,
        make: Callable[[object], Connection],
        shared: Shared,
    ) -> None:
        self._bound = bound
        self._tls = tls
        self._make = make
        self._shared = shared
        self._loop = asyncio.get_running_loop()
        self._listening: list[socket.socket] = []
        self._silent: dict[socket.socket, _Accepted] = {}
        self._shaking: set[asyncio.Task[None]] = set()

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
        for task in self._shaking:
            task.cancel()
        self._bound.close()

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
        self._shaking.add(task)
        task.add_done_callback(self._shaking.discard)

    def _leave(self, connection: socket.socket) -> None:
        self._loop.remove_reader(connection)
        self._shared.gate.leave(self._silent.pop(connection).entered)
        connection.close()

    async def _shake(self, connection: socket.socket, entered: object) -> None:
        seconds = self._shared.limits.handshake_s
        try:
            await self._loop.connect_accepted_socket(
                partial(self._make, entered),
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=seconds,
                ssl_shutdown_timeout=seconds,
            )
        except BaseException as error:  # one connection fails, and the server goes on
            self._shared.gate.leave(entered)
            # The handshake failed, and the transport is closed: its peer was told by TLS, or is gone.
            if isinstance(error, OSError):
                return
            if not isinstance(error, Exception):
                raise
            self._shared.tell(error)


def _shut(connection: socket.socket) -> None:
    """End a connection before or during its handshake: whatever waits for it sees its end."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)

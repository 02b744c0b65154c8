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
from typing import TYPE_CHECKING, TypeAlias

from monoskope.http.server import peers

if TYPE_CHECKING:
    from monoskope.http.server.connection import Connection, Shared

Admit: TypeAlias = Callable[[str], bool]
"""Whether a peer, by its name as `host_port.peer_name` has it, may begin a handshake now."""

_AT_ONCE = 64
"""Connections that are accepted before the event loop goes on."""

_PAUSE_S = 0.5
"""How long none is accepted where the system has no file for one."""


class Acceptor:
    """Accepts connections for `asyncio.Server`s that are bound, and that it never starts.

    Args:
        bound: Bound to the addresses.
        tls: What the server shows.
        make: Makes the protocol of a connection whose handshake has ended.
        admit: Asked once for each connection that has sent something.
        shared: Of the server's connections.
    """

    def __init__(
        self,
        bound: asyncio.Server,
        tls: ssl.SSLContext,
        make: Callable[[], Connection],
        admit: Admit,
        shared: Shared,
    ) -> None:
        self._bound = bound
        self._tls = tls
        self._make = make
        self._admit = admit
        self._shared = shared
        self._loop = asyncio.get_running_loop()
        self._listening: list[socket.socket] = []
        self._silent: dict[socket.socket, float] = {}
        self._shaking: set[asyncio.Task[None]] = set()

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The sockets that are bound."""
        return tuple(self._bound.sockets)

    async def start_serving(self) -> None:
        """Accept connections from now on. The sockets listen already."""
        for bound in self._bound.sockets:
            # A file of our own: uvloop lets nobody else wait for those of its servers.
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
        for connection in [one for one, deadline in self._silent.items() if deadline <= now]:
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
            self._silent[connection] = self._loop.time() + self._shared.limits.handshake_s
            self._loop.add_reader(connection, self._begin, connection, peers.named(name))

    def _resume(self, listening: socket.socket) -> None:
        if listening in self._listening:
            self._loop.add_reader(listening, self._accept, listening)

    def _begin(self, connection: socket.socket, peer: str) -> None:
        """Begin the handshake of a peer that has sent something, if it may."""
        is_there = False
        with contextlib.suppress(OSError):
            is_there = bool(connection.recv(1, socket.MSG_PEEK))
        if not is_there or not self._admit(peer):
            self._leave(connection)
            return
        self._loop.remove_reader(connection)
        del self._silent[connection]
        task = self._loop.create_task(self._shake(connection))
        self._shaking.add(task)
        task.add_done_callback(self._shaking.discard)

    def _leave(self, connection: socket.socket) -> None:
        self._loop.remove_reader(connection)
        del self._silent[connection]
        connection.close()

    async def _shake(self, connection: socket.socket) -> None:
        seconds = self._shared.limits.handshake_s
        try:
            await self._loop.connect_accepted_socket(
                self._make, connection, ssl=self._tls, ssl_handshake_timeout=seconds, ssl_shutdown_timeout=seconds
            )
        except OSError:
            pass  # the handshake failed, and the transport is closed; its peer was told by TLS, or is gone
        except Exception as error:  # noqa: BLE001 - one connection fails, and the server goes on
            self._shared.tell(error)

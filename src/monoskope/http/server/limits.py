"""What one peer may take of a server (bytes, places and seconds), and how a connection keeps within that."""

from __future__ import annotations

import asyncio
import ctypes
import functools
import math
import mmap
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from monoskope.host_port import peer_name
from monoskope.http.messages import Application

if TYPE_CHECKING:
    from monoskope.http.server.connection import Connection

MOST_HEAD = 16_384
"""Bytes of a request's head at most: a token and little else."""

MOST_FIELDS = 64
"""Header fields of a request at most."""

MOST_TARGET = 2_048
"""Bytes of a request's target at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one server grants its peers. Everything is in seconds, except where it says otherwise.

    Attributes:
        most: Connections at a time. Further ones are closed.
        handshake_s: For the TLS handshake.
        head_s: For the head of a request, from its first byte; and for the first byte of a connection.
        idle_s: Between two requests of a connection. 0: each connection ends with its first answer.
        body_s: For the body of a request, beside what `body_rate` grants.
        body_rate: Bytes of a body that must come each second.
        unread_s: For reading as much of an answer as is sent at once (`PORTION`).
        linger_s: How long the rest of a refused request is thrown away, so that its sender can read why.
        ping_s: Between two pings of a WebSocket.
        pong_s: For the answer to a ping, and to a close.
        ending_s: How long streams and WebSockets may end by themselves when the server drains.
        sweep_s: How often all of these are looked after: each may take so much longer.
    """

    most: int = 1_000
    handshake_s: float = 5.0
    head_s: float = 5.0
    idle_s: float = 60.0
    body_s: float = 10.0
    body_rate: int = 32_768
    unread_s: float = 10.0
    linger_s: float = 2.0
    ping_s: float = 20.0
    pong_s: float = 10.0
    ending_s: float = 1.0
    sweep_s: float = 0.5


PORTION = 65_536
"""Bytes that are sent at once. The next ones wait until the peer has read most of these."""


class Outgoing(asyncio.Protocol):
    """A connection that holds back what its peer does not read.

    Args:
        unread_s: How long a peer has to read a `PORTION`.

    Attributes:
        transport: How bytes leave.
        deadline: When the peer has been slow for too long, by the clock of the event loop.
        is_blocked: Whether the peer reads too slowly.
    """

    transport: asyncio.Transport

    def __init__(self, unread_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._unread_s = unread_s
        self._can_write = asyncio.Event()
        self._can_write.set()
        self.is_blocked = False
        self.deadline = math.inf

    def pause_writing(self) -> None:
        """Note that the peer reads too slowly."""
        self.is_blocked = True
        self._can_write.clear()
        self.deadline = self._loop.time() + self._unread_s

    def resume_writing(self) -> None:
        """Note that the peer has read enough."""
        self.is_blocked = False
        self._can_write.set()

    async def writable(self) -> None:
        """Wait until the peer has read enough, or is gone."""
        await self._can_write.wait()

    async def send(self, data: bytes) -> None:
        """Send `data` as fast as the peer reads, and return when it has read most of it, or is gone.

        TLS does not tell how much it holds back of one large write. So there are none.
        """
        if len(data) <= PORTION:
            self._write(data)
        else:
            for begin in range(0, len(data), PORTION):
                await self.writable()
                self._write(data[begin : begin + PORTION])
        # What is asked for and not read must not pile up.
        await self.writable()

    def _write(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def within(self, seconds: float) -> None:
        """Set the deadline. While the peer does not read, the one for reading stays."""
        if not self.is_blocked:
            self.deadline = self._loop.time() + seconds

    def never(self) -> None:
        """Set no deadline, for the peer is gone or has nothing to do. The one for reading stays."""
        if not self.is_blocked:
            self.deadline = math.inf


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


def give_back_buffer(protocol: object) -> None:
    """Let the system have the pages of the buffer that uvloop's `protocol` of TLS reads into, until they are used.

    It has 256 KiB, of which a connection uses a few. Where the allocator overwrites what it hands out, all of it would
    take memory (docs/adr/0064-the-allocator-of-m8.md). What it holds counts for nothing between two reads.
    """
    get_buffer = getattr(protocol, "get_buffer", None)
    if get_buffer is None or not sys.platform.startswith("linux"):
        return
    buffer = get_buffer(0)
    address = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
    begin = -(-address // mmap.PAGESIZE) * mmap.PAGESIZE
    length = (address + len(buffer)) // mmap.PAGESIZE * mmap.PAGESIZE - begin
    if length > 0:
        _libc().madvise(ctypes.c_void_p(begin), ctypes.c_size_t(length), mmap.MADV_DONTNEED)


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)


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


Tell: TypeAlias = Callable[[Exception], None]
"""What hears of a defect of the application."""


@dataclass(slots=True)
class Shared:
    """What the connections of one server have in common."""

    application: Application
    limits: Limits
    tell: Tell
    gate: Gate = field(default_factory=OpenGate)
    connections: set[Connection] = field(default_factory=set)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    is_draining: bool = False

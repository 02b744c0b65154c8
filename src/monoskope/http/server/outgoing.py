"""What a connection still has to send, the deadline of the connection, and what a WebSocket needs of it."""

from __future__ import annotations

import asyncio
import math
from typing import Protocol

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


class SocketCarrier(Protocol):
    """What a WebSocket needs of its connection."""

    transport: asyncio.Transport
    is_blocked: bool

    async def writable(self) -> None:
        """Wait until the peer has read enough, or is gone."""

    def within(self, seconds: float) -> None:
        """Call `expire` after so many seconds, unless this is called again."""

    def close(self) -> None:
        """Send what is written, and end."""

"""What a connection still has to send, and the deadline of the connection."""

from __future__ import annotations

import asyncio
import math

PORTION = 65_536
"""A peer that does not read must take so many bytes of what waits for it in each `Limits.unread_s`."""


class Outgoing(asyncio.Protocol):
    """A connection that holds back what its peer does not read.

    Args:
        unread_s: How long a peer has for a `PORTION`.

    Attributes:
        transport: How bytes leave.
        deadline: When the peer has been slow for too long, by the clock of the event loop.
        is_blocked: Whether the peer reads too slowly.
    """

    transport: asyncio.Transport

    def __init__(self, unread_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._unread_s = unread_s
        self._unsent = 0
        self._can_write = asyncio.Event()
        self._can_write.set()
        self.is_blocked = False
        self.deadline = math.inf

    def pause_writing(self) -> None:
        """Note that the peer reads too slowly."""
        self.is_blocked = True
        self._can_write.clear()
        self._unsent = self.transport.get_write_buffer_size()
        self.deadline = self._loop.time() + self._unread_s

    def resume_writing(self) -> None:
        """Note that the peer has read enough."""
        self.is_blocked = False
        self._can_write.set()

    async def writable(self) -> None:
        """Wait until the peer has read enough, or is gone."""
        await self._can_write.wait()

    def within(self, seconds: float) -> None:
        """Set the deadline. While the peer does not read, the one for reading stays."""
        if not self.is_blocked:
            self.deadline = self._loop.time() + seconds

    def never(self) -> None:
        """Set no deadline, for the peer is gone or has nothing to do. The one for reading stays."""
        if not self.is_blocked:
            self.deadline = math.inf

    def expire_unread(self) -> None:
        """Cut off a peer that has not read a `PORTION` in its time."""
        unsent = self.transport.get_write_buffer_size()
        if unsent > self._unsent - PORTION:
            self.transport.abort()
            return
        self._unsent = unsent
        self.deadline += self._unread_s

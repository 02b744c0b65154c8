"""The connections of one m8 process: how many there may be in all and of one address, and which are closed first.

Connections without a login are closed first, the oldest of them before the others: to log in takes a fraction of a
second (docs/adr/0017-before-login.md).
"""

from __future__ import annotations

import asyncio
import ctypes
import ipaddress
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from monoskope import operating_log

LOOK_S = 0.5
"""Seconds between two looks whether a flood is over."""

CALM_S = 6.0
"""A flood is over when no connection was closed for so long."""

_MANY = 64
"""When so many connections have ended since there were most, their memory is worth giving back."""

_FREE = 4
"""One place in so many is kept free for new connections."""

_SPARED = 8
"""One place in so many is kept for the newest connections without a login."""


def origin(peer: str) -> str:
    """Return what counts as one address for the limits: an IPv4 address, or the first 64 bits of an IPv6 address.

    Who has one IPv6 address usually has all with those 64 bits. A peer that is neither counts by its own name.

    Args:
        peer: As `host_port.peer_name` calls it.
    """
    host = peer.rpartition(":")[0].strip("[]")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return peer
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(address.ipv4_mapped or ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))


@dataclass(slots=True, eq=False)
class Connection:
    """One connection that is open."""

    peer: str
    origin: str
    close: Callable[[], object]


@dataclass(slots=True)
class _Group:
    """Connections in the order in which they came."""

    strangers: dict[Connection, None] = field(default_factory=dict)
    proven: dict[Connection, None] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.strangers) + len(self.proven)

    def discard(self, one: Connection) -> None:
        self.strangers.pop(one, None)
        self.proven.pop(one, None)

    def prove(self, one: Connection) -> None:
        if one in self.strangers:
            del self.strangers[one]
            self.proven[one] = None


class Connections:
    """Keeps the connections of this process within the limits (`http.server.limits.Gate`).

    Args:
        most: Connections at a time.
        each: Connections of one address at a time.
        admit: Whether a peer may begin a TLS handshake now.
        proved: Called with the address of each connection that has proven itself.
    """

    def __init__(
        self,
        most: int,
        each: int,
        *,
        admit: Callable[[str], bool] = lambda _: True,
        proved: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.most = most
        self._each = each
        self.admit = admit
        self._proved = proved
        self._all = _Group()
        self._by_origin: dict[str, _Group] = {}
        self._by_peer: dict[str, Connection] = {}
        self._disturbed_at: float | None = None
        self._closed = 0
        self._peak = 0

    def __len__(self) -> int:
        """How many are open now."""
        return len(self._all)

    def enter(self, peer: str, close: Callable[[], object]) -> Connection:
        """Count a connection of `peer`, and close those that are too many now: it may be this one.

        Args:
            peer: As `host_port.peer_name` calls it.
            close: Ends the connection, at whatever stage it is.
        """
        one = Connection(peer, origin(peer), close)
        group = self._by_origin.setdefault(one.origin, _Group())
        group.strangers[one] = self._all.strangers[one] = None
        self._by_peer[peer] = one
        self._peak = max(self._peak, len(self))
        if len(group) > self._each:
            self._end(next(iter(group.strangers)))
        self._make_room(one)
        return one

    def _make_room(self, newest: Connection) -> None:
        """Close strangers until there are enough free places; the newest, where all places are taken all the same."""
        strangers = self._all.strangers
        # The newest are spared: while many are logged in, no other user would have the time to log in.
        while len(self) > self.most - self.most // _FREE and len(strangers) > self.most // _SPARED:
            self._end(next(iter(strangers)))
        if len(self) > self.most:
            self._end(newest)

    def _end(self, one: Connection) -> None:
        self._forget(one)
        self._closed += 1
        self.disturbed()
        one.close()

    def leave(self, entered: object) -> None:
        """Note that a connection has ended; to be told twice changes nothing."""
        if not isinstance(entered, Connection):
            return
        self._forget(entered)
        if len(self) <= self._peak - _MANY:
            self._peak = len(self)
            self.disturbed()

    def _forget(self, one: Connection) -> None:
        self._all.discard(one)
        if self._by_peer.get(one.peer) is one:
            del self._by_peer[one.peer]
        group = self._by_origin.get(one.origin)
        if group is not None:
            group.discard(one)
            if not group:
                del self._by_origin[one.origin]

    def prove(self, peer: str) -> None:
        """Note that the peer has logged in or shown a valid token."""
        one = self._by_peer.get(peer)
        if one is not None and one in self._all.strangers:
            self._all.prove(one)
            self._by_origin[one.origin].prove(one)
            self._proved(one.origin)

    def disturbed(self) -> None:
        """Note a flood: when it is over, its memory is given back to the system."""
        self._disturbed_at = time.monotonic()

    @property
    def is_disturbed(self) -> bool:
        """Whether a flood was noted, and its memory not given back yet."""
        return self._disturbed_at is not None

    async def run(self) -> None:
        """Give memory back after each flood, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self._disturbed_at is not None and time.monotonic() - self._disturbed_at >= CALM_S:
                self._disturbed_at = None
                if self._closed:
                    operating_log.get().warning("connections shut", connections=self._closed)
                    self._closed = 0
                await asyncio.to_thread(give_memory_back)


def give_memory_back() -> None:
    """Give unused memory of the allocator back to the system. Does nothing unless the C library is glibc."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)

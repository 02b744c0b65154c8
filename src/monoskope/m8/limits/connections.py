"""The limits of connections and of TLS handshakes, in all and by address.

Connections without a login are closed first, the oldest of them before the others: to log in takes a fraction of a
second (docs/adr/0017-before-login.md).

A handshake costs m8 a key agreement and a signature before its peer has shown anything, and a copied ClientHello is
enough to cause it. An address counts as known once a login from it succeeded: behind it may be many users, as behind
NAT or a load balancer. Strangers together may begin half of all handshakes, and so may each known address, so that
neither keeps the others out. A part of the strangers' half is for quiet addresses, as of users who come for the first
time, and of what asks again and again whether m8 is there.
"""

from __future__ import annotations

import asyncio
import ctypes
import ipaddress
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

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


BURST_S = 3
"""So many seconds' handshakes may begin at once, as when clients come back after a restart."""

QUIET_S = 2.0
"""An address that asked for no handshake for so long is quiet, whether or not one was refused before."""

T = TypeVar("T")

REMEMBERED = 10_000
"""Addresses that are remembered, and members."""


class Bucket:
    """A token bucket. It holds at most the tokens of one second, or `burst` if that is more."""

    def __init__(self, per_second: float, now: float, *, burst: float = 1.0) -> None:
        self._rate = per_second
        self._most = max(burst, per_second)
        self._tokens = self._most
        self.taken_at = now

    def has(self, now: float) -> bool:
        """Whether there is a token at `now`, in seconds."""
        return min(self._most, self._tokens + (now - self.taken_at) * self._rate) >= 1

    def take(self, now: float, tokens: float = 1.0) -> None:
        """Take a token, or more. An empty bucket goes into debt, by the tokens of one second at most."""
        self._tokens = max(-self._most, min(self._most, self._tokens + (now - self.taken_at) * self._rate) - tokens)
        self.taken_at = now


@dataclass(slots=True)
class _Stranger:
    bucket: Bucket
    asked_at: float


class Handshakes:
    """Counts the handshakes of one process.

    Args:
        in_all: A second, in all.
        each: A second, of one address that is not known.
        clock: Seconds of a monotonic clock.
        refused: Called for each handshake that may not begin.
    """

    def __init__(self, in_all: float, each: float, clock: Callable[[], float], refused: Callable[[], object]) -> None:
        self._clock = clock
        self._refused = refused
        self._half, self._each = in_all / 2, each
        self._all = self._bucket(in_all)
        self._quiet, self._busy = self._bucket(in_all / 4), self._bucket(in_all / 4)
        self._known: OrderedDict[str, Bucket] = OrderedDict()
        self._by_stranger: OrderedDict[str, _Stranger] = OrderedDict()

    def admit(self, peer: str) -> bool:
        """Count a handshake of `peer`, as `host_port.peer_name` calls it, and return whether it may begin."""
        now, address = self._clock(), origin(peer)
        known = self._known.get(address)
        buckets = (self._all, known) if known is not None else (self._all, *self._of_stranger(address, now))
        if not all(bucket.has(now) for bucket in buckets):
            self._refused()
            return False
        for bucket in buckets:
            bucket.take(now)
        return True

    def _of_stranger(self, address: str, now: float) -> tuple[Bucket, Bucket]:
        """Return the bucket of an address that is not known, and the one that it shares with others."""
        stranger = self._by_stranger.get(address)
        is_quiet = stranger is None or now - stranger.asked_at >= QUIET_S
        bucket = self._bucket(self._each) if stranger is None else stranger.bucket
        # Remembered also where it is refused: many who flood are not quiet because each of them gets little.
        remember(self._by_stranger, address, _Stranger(bucket, now))
        return bucket, self._quiet if is_quiet else self._busy

    def know(self, address: str) -> None:
        """Note that a login from `address`, as `origin` returns it, succeeded."""
        self._by_stranger.pop(address, None)
        remember(self._known, address, self._known.get(address) or self._bucket(self._half))

    def _bucket(self, per_second: float) -> Bucket:
        return Bucket(per_second, self._clock(), burst=BURST_S * per_second)


def remember(entries: OrderedDict[str, T], key: str, what: T) -> T:
    """Keep `what` as the newest of the `REMEMBERED` entries, and return it."""
    entries[key] = what
    entries.move_to_end(key)
    if len(entries) > REMEMBERED:
        entries.popitem(last=False)
    return what

"""Per-second rate limits: of TLS handshakes, by address, and of what the reactors of a store say.

A handshake costs m8 a key agreement and a signature before its peer has shown anything, and a copied ClientHello is
enough to cause it. An address counts as known once a login from it succeeded: behind it may be many users, as behind
NAT or a load balancer. Strangers together may begin half of all handshakes, and so may each known address, so that
neither keeps the others out. A part of the strangers' half is for quiet addresses, as of users who come for the first
time, and of what asks again and again whether m8 is there.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from monoskope.m8.limits.connections import origin

BURST_S = 3
"""So many seconds' handshakes may begin at once, as when clients come back after a restart."""

QUIET_S = 2.0
"""An address that asked for no handshake for so long is quiet, whether or not one was refused before."""

T = TypeVar("T")

REMEMBERED = 10_000
"""Addresses that are remembered: known ones, and strangers."""


HEARTBEAT = 10.0
"""What a heartbeat counts, in messages: each is written into the log's database."""

EACH_BYTES = 16_384
"""So many bytes count as one more message: signatures are verified over all of them."""

LOOK_S = 0.02
"""Seconds between two looks whether there is room again."""


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
        _remember(self._by_stranger, address, _Stranger(bucket, now))
        return bucket, self._quiet if is_quiet else self._busy

    def know(self, address: str) -> None:
        """Note that a login from `address`, as `origin` returns it, succeeded."""
        self._by_stranger.pop(address, None)
        _remember(self._known, address, self._known.get(address) or self._bucket(self._half))

    def _bucket(self, per_second: float) -> Bucket:
        return Bucket(per_second, self._clock(), burst=BURST_S * per_second)


def _remember(addresses: OrderedDict[str, T], address: str, what: T) -> None:
    addresses[address] = what
    addresses.move_to_end(address)
    if len(addresses) > REMEMBERED:
        addresses.popitem(last=False)


class Pace:
    """Counts what reactors say to this process.

    Args:
        a_second: Messages of one store's reactors a second.
        clock: Seconds of a monotonic clock.
    """

    def __init__(self, a_second: float, clock: Callable[[], float]) -> None:
        self._a_second = a_second
        self._clock = clock
        self._stores: dict[str, Bucket] = {}

    async def keep(self, store: str, *, size: int, is_heartbeat: bool) -> None:
        """Wait until a message of `size` bytes may be handled that a reactor of `store`, which exists, has sent."""
        bucket = self._stores.setdefault(store, Bucket(self._a_second, self._clock()))
        while not bucket.has(self._clock()):  # noqa: ASYNC110 - time passes, and nothing tells it
            await asyncio.sleep(LOOK_S)
        bucket.take(self._clock(), (HEARTBEAT if is_heartbeat else 1.0) + size / EACH_BYTES)

"""How many logins of reactors may be under way, and how many may fail: for each address, and in all.

To verify a login costs the check of a signature, so an address from which too many logins failed is refused before
that. A flood from other addresses shuts nobody out: where too many logins failed in all, only addresses with a recent
failure must wait.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from monoskope.errors import UnavailableError

WAITING_EACH = 32
"""Logins of one address that may be under way: as many as two stores have reactors at most."""

WAITING = 256
"""Logins in all that may be under way."""

BLAMED_S = 10.0
"""For so long a failure counts against its address when too many fail in all."""

_REMEMBERED = 10_000
"""Addresses of which failures are remembered."""


ATTACHMENTS_PER_S = 1.0
"""Attachments of one store that are recorded per second on average: each stays in the log, with up to 16 KiB."""

ATTACHMENTS = 32
"""Attachments of one store that may be recorded at once."""


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


@dataclass(slots=True, eq=False)
class _Waiting:
    origin: str
    deadline: asyncio.Timeout


class Logins:
    """Counts logins of one process.

    Args:
        failed: Failures a second in all.
        failed_each: Failures a second of one address.
        clock: Seconds of a monotonic clock.
    """

    def __init__(self, failed: float, failed_each: float, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failed_each = failed_each
        self._all = Bucket(failed, clock())
        self._by_origin: OrderedDict[str, Bucket] = OrderedDict()
        self._waiting: dict[_Waiting, None] = {}
        self._attachments: dict[str, Bucket] = {}

    def attaches(self, store: str) -> None:
        """Count an attachment to `store`, which exists. Raises `UnavailableError` if too many were recorded lately."""
        now = self._clock()
        bucket = self._attachments.setdefault(store, Bucket(ATTACHMENTS_PER_S, now, burst=ATTACHMENTS))
        if not bucket.has(now):
            raise UnavailableError(
                f"too many reactors of the store {store} attached just now.", fix="Try again in a few seconds."
            )
        bucket.take(now)

    @contextlib.contextmanager
    def under_way(self, origin: str, deadline: asyncio.Timeout) -> Iterator[None]:
        """Count a login from `origin` while the block runs.

        If there are too many, the oldest one ends: its `deadline` is set to now. If one address has too many, its own
        oldest one ends.
        """
        waiting = _Waiting(origin, deadline)
        of_origin = [each for each in self._waiting if each.origin == origin]
        if len(of_origin) >= WAITING_EACH:
            self._end(of_origin[0])
        elif len(self._waiting) >= WAITING:
            self._end(next(iter(self._waiting)))
        self._waiting[waiting] = None
        try:
            yield
        finally:
            self._waiting.pop(waiting, None)

    def _end(self, waiting: _Waiting) -> None:
        del self._waiting[waiting]
        # If its own deadline has just passed, it ends by that.
        if not waiting.deadline.expired():
            waiting.deadline.reschedule(asyncio.get_running_loop().time())

    def admit(self, origin: str) -> None:
        """Return if a login from `origin` may be verified now. Raises `UnavailableError` if too many failed."""
        now = self._clock()
        own = self._by_origin.get(origin)
        if own is None:
            return
        if own.has(now) and (self._all.has(now) or now - own.taken_at >= BLAMED_S):
            return
        raise UnavailableError("too many logins failed just now.", fix="Try again in a few seconds.")

    def failed(self, origin: str) -> None:
        """Count a failed login against its address."""
        now = self._clock()
        self._all.take(now)
        own = self._by_origin.pop(origin, None) or Bucket(self._failed_each, now)
        own.take(now)
        self._by_origin[origin] = own
        if len(self._by_origin) > _REMEMBERED:
            self._by_origin.popitem(last=False)

    def succeeded(self, origin: str) -> None:
        """Forget the failures of an address from which a reactor proved an identity."""
        self._by_origin.pop(origin, None)

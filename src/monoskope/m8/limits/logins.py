"""How many logins and exchanges of tokens may be under way, and may fail, by address.

To verify a login costs the check of a signature, so an address from which too many logins failed is refused before
that. A flood from other addresses shuts nobody out: where too many logins failed in all, only addresses with a recent
failure must wait. A caller without a token costs little: an address from which too many exchanges failed is refused
before anything is verified. Each success is an event that stays in the log, so a member who comes with one valid token
again and again is refused, too.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from monoskope.errors import RateLimitedError, UnavailableError
from monoskope.m8.limits.connections import Bucket, remember

WAITING_EACH = 32
"""Logins of one address that may be under way: as many as two stores have reactors at most."""

WAITING = 256
"""Logins in all that may be under way."""

BLAMED_S = 10.0
"""For so long a failure counts against its address when too many fail in all."""

ATTACHMENTS_PER_S = 1.0
"""Attachments of one store that are recorded per second on average: each stays in the log, with up to 16 KiB."""

ATTACHMENTS = 32
"""Attachments of one store that may be recorded at once."""

PER_MEMBER_S = 1.0
"""Exchanges of one member a second, on average."""

PER_MEMBER = 60
"""Exchanges of one member at once, as a pipeline with many jobs makes them."""

RETRY_AFTER_S = 5.0


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
        known = self._by_origin.get(origin) or Bucket(self._failed_each, now)
        remember(self._by_origin, origin, known).take(now)

    def succeeded(self, origin: str) -> None:
        """Forget the failures of an address from which a reactor proved an identity."""
        self._by_origin.pop(origin, None)


class Exchanges(Logins):
    """Counts the exchanges of one process, and those of each member. Arguments as `Logins`."""

    def __init__(self, failed: float, failed_each: float, clock: Callable[[], float]) -> None:
        super().__init__(failed, failed_each, clock)
        self._members: OrderedDict[str, Bucket] = OrderedDict()

    def admit(self, origin: str) -> None:
        """Return if a token from `origin` may be verified now. Raises `RateLimitedError` if too many were refused."""
        try:
            super().admit(origin)
        except UnavailableError:
            raise _too_many("too many tokens were refused just now") from None

    def admit_member(self, member: str) -> None:
        """Count an exchange for `member`. Raises `RateLimitedError` if there were too many lately."""
        now = self._clock()
        known = self._members.get(member) or Bucket(PER_MEMBER_S, now, burst=PER_MEMBER)
        bucket = remember(self._members, member, known)
        if not bucket.has(now):
            raise _too_many("too many tokens of one member were exchanged just now")
        bucket.take(now)


def _too_many(what: str) -> RateLimitedError:
    return RateLimitedError(
        f"{what}.", fix="Try again in some seconds, and use m8's token until it expires.", retry_after_s=RETRY_AFTER_S
    )

"""How many tokens are exchanged: for each address, in all, and for each member.

A caller without a token costs little: an address from which too many exchanges failed is refused before anything is
verified, as with logins of reactors (`logins`). Each success is an event that stays in the log, so a member who comes
with one valid token again and again is refused, too.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager

from monoskope.errors import RateLimitedError, UnavailableError
from monoskope.m8.limits.logins import Bucket, Logins

PER_MEMBER_S = 1.0
"""Exchanges of one member a second, on average."""

PER_MEMBER = 60
"""Exchanges of one member at once, as a pipeline with many jobs makes them."""

_REMEMBERED = 10_000
"""Members whose exchanges are remembered."""

RETRY_AFTER_S = 5.0


class Exchanges:
    """Counts the exchanges of one process.

    Args:
        failed: Failures a second in all.
        failed_each: Failures a second of one address.
        clock: Seconds of a monotonic clock.
    """

    def __init__(self, failed: float, failed_each: float, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._strangers = Logins(failed, failed_each, clock)
        self._members: OrderedDict[str, Bucket] = OrderedDict()

    def under_way(self, origin: str, deadline: asyncio.Timeout) -> AbstractContextManager[None]:
        """Count an exchange from `origin` while the block runs. Too many end the oldest one."""
        return self._strangers.under_way(origin, deadline)

    def admit(self, origin: str) -> None:
        """Return if a token from `origin` may be verified now. Raises `RateLimitedError` if too many were refused."""
        try:
            self._strangers.admit(origin)
        except UnavailableError:
            raise _too_many("too many tokens were refused just now") from None

    def failed(self, origin: str) -> None:
        """Count a refused token against its address."""
        self._strangers.failed(origin)

    def succeed(self, member: str) -> None:
        """Count an exchange for `member`. Raises `RateLimitedError` if there were too many lately."""
        now = self._clock()
        bucket = self._members.pop(member, None) or Bucket(PER_MEMBER_S, now, burst=PER_MEMBER)
        self._members[member] = bucket
        if len(self._members) > _REMEMBERED:
            self._members.popitem(last=False)
        if not bucket.has(now):
            raise _too_many("too many tokens of one member were exchanged just now")
        bucket.take(now)


def _too_many(what: str) -> RateLimitedError:
    return RateLimitedError(
        f"{what}.", fix="Try again in some seconds, and use m8's token until it expires.", retry_after_s=RETRY_AFTER_S
    )

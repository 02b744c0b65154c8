"""Every span of time that the protocol or the reactor names, in seconds, and the clock that ends keys and writes.

The monotonic clock of many systems stands still while they are suspended: a key would outlive what its user was told.
So this is CLOCK_BOOTTIME where there is one. In a paused virtual machine that clock stands still, too. What shows the
pause is the wall clock, once it is set right: where it has run ahead by more than `LEAD_S`, that much time has passed.
A wall clock that was merely set forward ends keys early, and a put is lost by that; no key lives longer.

Limits by the hour and waits for other replicas do not follow the wall clock: for those it is time that makes unsafe.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from monoskope import operating_log


class Timings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `[timings]` table of reactor.toml. The defaults are the figures of docs/protocol.md.

    Change them only in tests (docs/breakage.md): a store's replicas and m8 have to agree about them.
    """

    write_window: float = 30.0
    """From sending STARTED: the write has begun and ended within it."""
    young: float = 10.0
    """From a key's making: what comes upstream within it counts as concurrent, what comes later as newer."""
    issuer_gone: float = 10.0
    """An issuer whose session is gone for this long counts as dead."""
    settle: float = 60.0
    """From seeing STARTED: after it, a write whose end is unknown can no longer be on its way."""
    lookups: tuple[float, ...] = (0.0, 2.0, 8.0)
    """When a write's unknown end is looked up before `settle`, from the moment it became unknown."""
    lookup_retry: float = 10.0
    """Between two attempts to look up an end in an engine that does not answer."""
    lookup_tries: int = 6
    """How often that is attempted before the outcome is unknown for good."""
    tick: float = 1.0
    """Between two looks at expired keys and abandoned requests."""
    heartbeat: float = 3.0
    """Between heartbeats if m8 names no span; else a third of what it names."""
    health: float = 10.0
    """Between two looks at whether the engine would serve us; a request that fails brings the next one forward."""
    health_again: float = 1.0
    """The least time between two looks, and the time between them while the engine would not serve us."""
    connect: float = 10.0
    """From dialling to being attached."""
    backoff_least: float = 0.2
    """Before the first attempt to connect again; doubled each time, with jitter."""
    backoff_most: float = 15.0
    """Before any attempt to connect again."""
    append_retry: float = 1.0
    """Before an append that m8 could not take just now is sent again."""
    linger: float = 5.0
    """After SIGTERM: how long what was sealed for keys that were given is still taken."""
    drain: float = 30.0
    """How long work in flight may take to end after SIGTERM."""

    def check(self, *, testing: bool) -> None:
        """Raise `ValueError` for figures under which a write could come too late.

        Args:
            testing: Allow spans that parties with the protocol's figures do not expect.
        """
        if not testing:
            if self.write_window > PROTOCOL.write_window:
                raise ValueError("`timings.write_window` must be at most 30")
            if self.young > PROTOCOL.young:
                raise ValueError("`timings.young` must be at most 10")
            if self.settle < PROTOCOL.settle:
                raise ValueError("`timings.settle` must be at least 60")
            if self.issuer_gone < PROTOCOL.issuer_gone:
                raise ValueError("`timings.issuer_gone` must be at least 10")
        for field in self.__struct_fields__:
            values = self.lookups if field == "lookups" else (getattr(self, field),)
            if not all(0 <= value <= 3_600 for value in values):
                raise ValueError(f"`timings.{field}` must be from 0 to 3600")
        if not 0 < self.write_window < self.settle:
            raise ValueError("`timings.write_window` must be more than 0 and less than `settle`")


PROTOCOL = Timings()
"""The protocol's figures."""


LEAD_S = 2.0
"""Seconds by which the wall clock may run ahead unnoticed: more than a leap second."""
_ONE_LOOK_S = 0.1
"""Seconds within which both clocks must be read to be compared: a process may be stopped between the two."""


def _steady() -> float:
    """Return seconds that no clock setting changes, suspended time included where the system counts it."""
    number = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if number is None else time.clock_gettime(number)


class Clock:
    """Seconds that never run backwards, and pass while the machine is suspended or paused.

    Args:
        steady: Seconds that no clock setting changes.
        wall: Seconds since 1970.
    """

    def __init__(self, *, steady: Callable[[], float] = _steady, wall: Callable[[], float] = time.time) -> None:
        self._steady = steady
        self._wall = wall
        self._lead = wall() - steady()
        self._missed = 0.0

    def __call__(self) -> float:
        """Return the seconds now."""
        steady = self._steady()
        lead = self._wall() - steady
        if self._steady() - steady > _ONE_LOOK_S:
            return steady + self._missed
        ahead = lead - self._lead
        if ahead > LEAD_S:
            self._missed += ahead
            operating_log.get().warning("clock", message=_AHEAD, seconds=round(ahead, 1))
        if ahead > LEAD_S or ahead < 0:
            self._lead = lead
        return steady + self._missed


_AHEAD = (
    "the wall clock has run ahead: this machine was paused, or its clock was set forward. One-time keys count as that"
    " much older, so requests that were under way may fail."
)

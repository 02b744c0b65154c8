"""The clock by which keys, their youth and the windows of writes end: it goes on while the machine sleeps.

The monotonic clock of many systems stands still while they are suspended: a key would outlive what its user was told.
So this is CLOCK_BOOTTIME where there is one. In a paused virtual machine that clock stands still, too. What shows the
pause is the wall clock, once it is set right: where it has run ahead by more than `LEAD_S`, that much time has passed.
A wall clock that was merely set forward ends keys early, and a put is lost by that; no key lives longer.

Limits by the hour and waits for other replicas do not follow the wall clock: for those it is time that makes unsafe.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from monoskope import operating_log

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

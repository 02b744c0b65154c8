"""How far the clock of this machine is from another's. A file of its own: both commands compare clocks in one way."""

from __future__ import annotations

from monoskope.checks.check import Check

CLOCK = "clock"
"""The name of the check."""

WARN_S = 5.0
FAIL_S = 60.0
"""Seconds. Tokens last minutes, and a checkpoint has its time: a minute refuses what is right, or takes what is not."""

_FIX = "Set the clock of the machine that is wrong, and let NTP keep it: timedatectl set-ntp true"


def clock_check(apart_s: float, whose: str) -> Check:
    """Return the check of a clock that is `apart_s` seconds ahead of that of `whose`, or behind it (below 0)."""
    if abs(apart_s) < WARN_S:
        return Check.ok(CLOCK, f"It is within {WARN_S:.0f} s of that of {whose}.")
    side = "ahead of" if apart_s > 0 else "behind"
    said = f"It is {abs(apart_s):.0f} s {side} that of {whose}."
    return Check.fail(CLOCK, said, _FIX) if abs(apart_s) >= FAIL_S else Check.warn(CLOCK, said, _FIX)

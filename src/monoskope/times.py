"""Moments and lengths of time, as all parts read and show them."""

from __future__ import annotations

import datetime as dt
import re
import time
from typing import Final

from monoskope.errors import UsageError
from monoskope.failpoints import CLOCK, shift_ms
from monoskope.lazy import pattern

_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DAYS = pattern(r"([1-9][0-9]{0,4})d", re.ASCII)
_LENGTH = pattern(r"([0-9]{1,6})([smhd])", re.ASCII)


def now_ms() -> int:
    """Return the wall clock's milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def wall_clock() -> int:
    """Return the same as m8 reads it: a test may have set it forward."""
    return now_ms() + shift_ms(CLOCK)


def moment(at_ms: int) -> dt.datetime:
    """Return milliseconds since 1970 as a time in UTC."""
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)


def rfc3339(at_ms: int) -> str:
    """Return milliseconds since 1970 as RFC 3339 in UTC, "" for 0; a time beyond the calendar is called so."""
    return _shown(at_ms, "milliseconds")


def instant(at_ms: int) -> str:
    """Return what `rfc3339` does, to the second: for sentences."""
    return _shown(at_ms, "seconds")


def ago(at_ms: int, now_s: float | None = None) -> str:
    """Return how long ago something was, for people: `now`, `42s ago`, `3m ago`, `5h ago`, `2d ago`; "-" for 0."""
    if not at_ms:
        return "-"
    seconds = int((time.time() if now_s is None else now_s) - at_ms / 1000)
    if seconds < 1:
        return "now"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= 2 * size or (size == 86_400 and seconds >= size):
            return f"{seconds // size}{unit} ago"
    return f"{seconds}s ago"


def parse_length(text: str) -> int:
    """Return the seconds of a length of time such as 30m, 12h or 30d. Raises `UsageError` for another text."""
    match = _LENGTH.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is not a length of time.", fix="Write for example 30m, 12h or 30d.")
    return int(match[1]) * _SECONDS[match[2]]


def parse_moment(text: str, *, now_ms: int) -> int:
    """Return the milliseconds since 1970 of a moment: so long before `now_ms` (2h, 7d), a day, or a time; in UTC.

    Raises:
        UsageError: the text is none of these.
    """
    if _LENGTH.fullmatch(text):
        return max(0, now_ms - parse_length(text) * 1000)
    try:
        at = dt.datetime.fromisoformat(text)
        return max(0, int((at if at.tzinfo else at.replace(tzinfo=dt.UTC)).timestamp() * 1000))
    except (ValueError, OverflowError):
        raise UsageError(
            f"{text!r} is neither a length of time nor a moment.",
            fix="Write for example 2h, 7d, 2026-01-31 or 2026-01-31T18:00:00Z.",
        ) from None


def parse_days(text: str) -> int | None:
    """Return the number of days, 1 to 99,999, that a text such as 30d names; None for another text."""
    match = _DAYS.fullmatch(text)
    return None if match is None else int(match[1])


def _shown(at_ms: int, timespec: str) -> str:
    if not at_ms:
        return ""
    try:
        at = dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)
    except (ValueError, OverflowError, OSError):
        return f"beyond the calendar ({at_ms} ms)"
    return at.isoformat(timespec=timespec).replace("+00:00", "Z")

"""What the client returns when it is asked what m8 knows. Names are those of what a put returns.

Ids are hex, times are `datetime` in UTC, days are `date`, and what m8 lists by number has its name of docs/protocol.md.
All of it is m8's word, but for what `proven` says.
"""

from __future__ import annotations

import datetime as dt


def moment(at_ms: int) -> dt.datetime | None:
    """Return milliseconds since 1970 as a time in UTC, None for 0; beyond the calendar, its first or its last moment.

    A time that m8 makes up thus hides nothing else that it lists.
    """
    if not at_ms:
        return None
    try:
        return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)
    except (ValueError, OverflowError, OSError):
        return dt.datetime.max.replace(tzinfo=dt.UTC) if at_ms > 0 else dt.datetime.min.replace(tzinfo=dt.UTC)


def day(text: str) -> dt.date | None:
    """Return a day of YYYY-MM-DD; None for another text, which hides nothing else, as with `moment`."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def name(spelling: str) -> str:
    """Return the name of an enum's value, "" for the one that says nothing."""
    return "" if spelling == "UNSPECIFIED" else spelling

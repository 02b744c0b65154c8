"""What the client returns when it is asked what m8 knows. Names are those of what a put returns.

Ids are hex, times are `datetime` in UTC, days are `date`, and what m8 lists by number has its name of docs/protocol.md.
All of it is m8's word, but for what `proven` says.
"""

from __future__ import annotations

import datetime as dt

from monoskope.errors import ProtocolError

_NEWER = "Check that the versions of server and client fit."


def moment(at_ms: int) -> dt.datetime | None:
    """Return milliseconds since 1970 as a time in UTC, None for 0. Raises `ProtocolError` beyond the calendar."""
    if not at_ms:
        return None
    try:
        return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)
    except (ValueError, OverflowError, OSError):
        raise ProtocolError(f"m8 shows a time beyond the calendar: {at_ms} ms.", fix=_NEWER) from None


def day(text: str) -> dt.date | None:
    """Return a day of YYYY-MM-DD, None for "". Raises `ProtocolError` for another text."""
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError:
        raise ProtocolError("m8 shows a day of expiry that is none.", fix=_NEWER) from None


def name(spelling: str) -> str:
    """Return the name of an enum's value, "" for the one that says nothing."""
    return "" if spelling == "UNSPECIFIED" else spelling

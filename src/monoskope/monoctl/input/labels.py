"""Labels and days on the command line."""

from __future__ import annotations

import datetime as dt

from monoskope.errors import UsageError
from monoskope.protocol.notes import check_day
from monoskope.times import parse_days


def parse_day(text: str, *, more: int = 0) -> str:
    """Return the day that `text` names, YYYY-MM-DD: itself, or so many days from today (UTC) for `30d`.

    Args:
        text: A day or a number of days.
        more: Days to add to it.

    Raises:
        UsageError: it is neither.
    """
    days = parse_days(text)
    try:
        if days is not None:
            start = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=days)
        else:
            start = dt.date.fromisoformat(check_day(text))
        return (start + dt.timedelta(days=more)).isoformat()
    except OverflowError:
        raise UsageError(f"{text!r} is beyond the calendar.", fix="Name an earlier day.") from None
    except UsageError:
        raise UsageError(f"{text!r} is not a day.", fix="Write YYYY-MM-DD, or a number of days such as 90d.") from None


def parse_labels(texts: tuple[str, ...]) -> dict[str, str]:
    """Return `name=value` texts by name. Raises `UsageError` for a text without `=`, or a name that comes twice."""
    found: dict[str, str] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            raise UsageError(f"--label {text!r} is not NAME=VALUE.", fix="Write for example --label owner=team-a.")
        if name in found:
            raise UsageError(f"label {name!r} is given twice.", fix="Give each name once.")
        found[name] = value
    return found

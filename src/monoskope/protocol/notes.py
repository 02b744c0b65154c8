"""What users note about a secret: labels and a day of expiry. Neither is secret; both are in the signed request."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable

from monoskope.errors import UsageError

MAX_LABELS = 16
MAX_VALUE_LENGTH = 128

Labels = tuple[tuple[str, str], ...]
"""Names and values, sorted by name, each name once."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9._/-]{0,61}[a-z0-9])?", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def check_labels(labels: Iterable[tuple[str, str]]) -> Labels:
    """Return `labels` sorted by name.

    Raises:
        UsageError: more than 16, a name twice, a name outside `[a-z0-9]([a-z0-9._/-]{0,61}[a-z0-9])?`, or a value of
            more than 128 or of unprintable characters.
    """
    found = tuple(sorted(labels))
    names = [name for name, _ in found]
    if len(found) > MAX_LABELS:
        raise UsageError(f"a secret has at most {MAX_LABELS} labels.", fix="Leave some out.")
    if len(set(names)) != len(names):
        raise UsageError("a label is given twice.", fix="Give each name once.")
    for name, value in found:
        if _NAME.fullmatch(name) is None:
            raise UsageError(
                f"label name {name!r} is not valid: 1 to 63 of a-z, 0-9, '.', '_', '/' and '-', a letter or digit at"
                " both ends.",
                fix="Rename it.",
            )
        if len(value) > MAX_VALUE_LENGTH or not value.isprintable():
            raise UsageError(
                f"the value of label {name!r} is not valid: at most {MAX_VALUE_LENGTH} printable characters.",
                fix="Shorten it. A label is never secret.",
            )
    return found


def is_day(text: str) -> bool:
    """Whether `text` is a day of the calendar, YYYY-MM-DD."""
    if _DAY.fullmatch(text) is None:
        return False
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def check_day(text: str) -> str:
    """Return `text` if it is a day, YYYY-MM-DD, else raise `UsageError`."""
    if not is_day(text):
        raise UsageError(f"{text!r} is not a day: YYYY-MM-DD.", fix="Write for example 2027-01-31.")
    return text

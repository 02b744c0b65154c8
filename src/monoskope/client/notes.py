"""The notes that go with a put: labels and a day of expiry, given, cleared, or kept as they are. Not secret."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from monoskope.protocol.notes import Labels, check_day, check_labels
from monoskope.value import Value


class Notes(Value, frozen=True):
    """What a put says about labels and day of expiry."""

    labels: Labels = ()
    expires_on: str = ""
    keep_labels: bool = False
    keep_expires_on: bool = False

    @classmethod
    def check(cls, labels: Mapping[str, str] | None, expires_on: dt.date | str | None) -> Notes:
        """Return them checked; None keeps, an empty value clears. Raises `UsageError`."""
        day = expires_on.isoformat() if isinstance(expires_on, dt.date) else expires_on or ""
        return cls(
            labels=check_labels((labels or {}).items()),
            expires_on=check_day(day) if day else "",
            keep_labels=labels is None,
            keep_expires_on=expires_on is None,
        )

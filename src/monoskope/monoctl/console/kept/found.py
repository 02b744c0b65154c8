"""What was found for the latest questions: a question that is asked again, or its next page, is answered at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from monoskope.monoctl.console.kept.picking import SortField, Wanted, ordered, picked
from monoskope.monoctl.console.kept.row import Row
from monoskope.monoctl.console.kept.secrets import KeptSecrets

_MOST = 8
"""How many questions are remembered."""

Question = tuple[Wanted, SortField, bool, dt.date]


class Found:
    """Picks and orders kept secrets, and remembers it until any of them changes.

    Args:
        kept: The secrets.
    """

    def __init__(self, kept: KeptSecrets) -> None:
        self._kept = kept
        self._changes = -1
        self._lists: dict[Question, Sequence[Row]] = {}

    def of(self, wanted: Wanted, sort: SortField, *, descending: bool, today: dt.date) -> Sequence[Row]:
        """Return those that are wanted, in order. Raises `UsageError` if the prefix is not one."""
        if self._changes != self._kept.changes:
            self._lists.clear()
            self._changes = self._kept.changes
        question = wanted, sort, descending, today
        found = self._lists.pop(question, None)
        if found is None:
            rows = picked(self._kept.rows.values(), wanted, today=today)
            found = ordered(rows, sort, descending=descending)
        self._lists[question] = found
        if len(self._lists) > _MOST:
            del self._lists[next(iter(self._lists))]
        return found

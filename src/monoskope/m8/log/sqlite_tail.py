"""The events that this process recorded last, so that its subscribers need not read back what it just wrote."""

from __future__ import annotations

from collections.abc import Sequence

from monoskope.m8.log.event_log import RecordedEvent

KEPT = 256
"""How many events are kept at least; at most twice as many."""


class Tail:
    """Events at the end of the log, without a gap. Events never change, so they stay correct when the log grows."""

    def __init__(self) -> None:
        self._events: list[RecordedEvent] = []
        self._uncommitted: list[RecordedEvent] = []

    def add(self, recorded: Sequence[RecordedEvent]) -> None:
        """Remember events of the open transaction."""
        self._uncommitted += recorded

    def settle(self, *, is_committed: bool) -> int:
        """End the transaction: keep its events, or drop them. Return the last new position, 0 if there is none."""
        new, self._uncommitted = self._uncommitted, []
        if not new or not is_committed:
            return 0
        if self._events and self._events[-1].position + 1 != new[0].position:
            self._events = []  # another process recorded in between
        self._events += new
        if len(self._events) > 2 * KEPT:
            del self._events[:-KEPT]
        return new[-1].position

    def after(self, position: int) -> list[RecordedEvent]:
        """Return the events that follow `position`, as far as they are known here."""
        if not self._events or position + 1 < self._events[0].position:
            return []
        return self._events[position + 1 - self._events[0].position :]

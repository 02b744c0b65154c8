"""The events that this process recorded last, so that its subscribers need not read back what it just wrote."""

from __future__ import annotations

from collections.abc import Sequence

from monoskope.m8.log.event_log import RecordedEvent

KEPT = 256
"""Events at least; twice as many at most."""


class Tail:
    """Events at the end of the log, without a gap. They never change, so they are right wherever the log ends now."""

    def __init__(self) -> None:
        self._events: list[RecordedEvent] = []
        self._uncommitted: list[RecordedEvent] = []

    def add(self, recorded: Sequence[RecordedEvent]) -> None:
        """Note events of the transaction that is open."""
        self._uncommitted += recorded

    def settle(self, *, is_committed: bool) -> int:
        """Keep what was noted, or drop it: the transaction is over. Return its last position, 0 if nothing is new."""
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

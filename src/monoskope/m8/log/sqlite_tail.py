"""The events that this process recorded last, so that nobody here need read back what it just wrote.

Every answer from here is for one position of the log, its last one as the database tells it at that moment. So whatever
another process records counts at once: then the log is longer than what is known here, and the database is read.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence

from monoskope.m8.log.event_log import RecordedEvent

KEPT = 256
"""How many events are kept at least; at most twice as many."""

STREAMS = 1_024
"""Of how many streams it is remembered how many events they had."""


class Tail:
    """Events at the end of the log, without a gap. Events never change, so they stay correct when the log grows."""

    def __init__(self) -> None:
        self._events: list[RecordedEvent] = []
        self._uncommitted: list[RecordedEvent] = []
        self._by_stream: defaultdict[str, list[RecordedEvent]] = defaultdict(list)
        self._counted: OrderedDict[str, tuple[int, int]] = OrderedDict()
        """By stream: a number of events, and a position after which all further events of it stand."""

    def add(self, recorded: Sequence[RecordedEvent]) -> None:
        """Remember events of the open transaction."""
        self._uncommitted += recorded

    def settle(self, *, is_committed: bool) -> int:
        """End the transaction: keep its events, or drop them. Return the last new position, 0 if there is none."""
        new, self._uncommitted = self._uncommitted, []
        if not new or not is_committed:
            return 0
        if self._events and self._events[-1].position + 1 != new[0].position:
            self._events, self._by_stream = [], defaultdict(list)  # another process recorded in between
        self._events += new
        if len(self._events) > 2 * KEPT:
            del self._events[:-KEPT]
            self._by_stream, new = defaultdict(list), self._events
        for event in new:
            self._by_stream[event.stream].append(event)
        return self._events[-1].position

    def after(self, position: int) -> list[RecordedEvent]:
        """Return the events that follow `position`, as far as they are known here."""
        if not self._events or position + 1 < self._events[0].position:
            return []
        return self._events[position + 1 - self._events[0].position :]

    def of_stream(self, stream: str, version: int, *, head: int) -> list[RecordedEvent] | None:
        """Return the events of `stream` after `version` in the log up to `head`, its end; None if not all are here."""
        counted, position = self._counted.get(stream, (0, -1))
        if position < 0 or not self._events or self._events[-1].position != head:
            return None
        if position + 1 < self._events[0].position:
            return None
        events = [event for event in self._by_stream.get(stream, ()) if event.version > version]
        # After `position` nothing is missing here. What stands before it may be, unless the first of them is here.
        is_whole = version >= counted or (events and events[0].version == version + 1)
        return events if is_whole else None

    def counted(self, versions: Mapping[str, int], *, head: int) -> None:
        """Take note of how many events streams have in the log, which was read when `head` was its end, or later."""
        for stream, version in versions.items():
            self._counted[stream] = (version, head)
            self._counted.move_to_end(stream)
        while len(self._counted) > STREAMS:
            self._counted.popitem(last=False)

"""Which events a caller asked for, and where in the log they can be.

The log is in the order of positions, and a record holds the time of m8's clock. Usually that clock goes forward. So a
binary search finds the part of the log in which the events of a time are, and the rest is not read. Events that stand
elsewhere, because the clock was set by more than `STEP_MS`, are not found by their time.
"""

from __future__ import annotations

from dataclasses import dataclass

from monoskope.m8.log.event_log import EventLog
from monoskope.m8.queries.visible import VisibleScope
from monoskope.m8.service.feed import LocatedEvent

STEP_MS = 3_600_000
"""By how much m8's clock may have been set and events still are found by their time: an hour."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """What a caller may see of the log, and asked for.

    Attributes:
        visible: What the caller may see below the prefix that was asked for.
        since_ms: Recorded then or later, milliseconds since 1970; 0 for any time.
        until_ms: Recorded before then; 0 for any time.
        actor: Caused by this actor, "" for anybody.
        before: At a position before this one; 0 for any.
    """

    visible: VisibleScope
    since_ms: int = 0
    until_ms: int = 0
    actor: str = ""
    before: int = 0

    def takes(self, located: LocatedEvent) -> bool:
        """Whether an event is among those."""
        event = located.event
        return (
            self.since_ms <= event.recorded_at_ms
            and (not self.until_ms or event.recorded_at_ms < self.until_ms)
            and (not self.actor or event.actor == self.actor)
            and (not self.before or event.position < self.before)
            and is_visible(located, self.visible)
        )

    async def part(self, log: EventLog, head: int) -> tuple[int, int]:
        """Return the first and the last position at which such an event can be, the log being `head` events long."""
        first, last = 1, min(head, self.before - 1) if self.before else head
        if self.since_ms:
            first += await _recorded_before(log, self.since_ms - STEP_MS, head)
        if self.until_ms:
            last = min(last, await _recorded_before(log, self.until_ms + STEP_MS, head))
        return first, last


def is_visible(located: LocatedEvent, visible: VisibleScope) -> bool:
    """Whether an event lies in what a caller may see; events that are of no secret are for administrators."""
    if located.uri is None:
        return visible.prefixes is None
    return visible.covers(located.uri)


async def _recorded_before(log: EventLog, at_ms: int, head: int) -> int:
    """Return how many events were recorded before `at_ms`, by a clock that only went forward."""
    low, high = 0, head
    while low < high:
        middle = (low + high) // 2
        [event] = await log.read(after=middle, limit=1)
        if event.recorded_at_ms < at_ms:
            low = middle + 1
        else:
            high = middle
    return low

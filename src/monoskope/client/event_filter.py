"""Which events are asked for. An m8 of before these filters ignores them, so the client looks again."""

from __future__ import annotations

from monoskope.api.gateway.v1 import views_pb2
from monoskope.value import Value


class EventFilter(Value, frozen=True):
    """Which events.

    Attributes:
        since_ms: Recorded then or later, milliseconds since 1970 by m8's clock; 0 for any time.
        until_ms: Recorded before then; 0 for any time.
        actor: Caused by this subject, "" for anybody.
        before: At a position of the log before this one; 0 for any.
    """

    since_ms: int = 0
    until_ms: int = 0
    actor: str = ""
    before: int = 0

    def takes(self, event: views_pb2.EventSummary) -> bool:
        """Whether `event` is among them."""
        return (
            self.since_ms <= event.recorded_at_ms
            and (not self.until_ms or event.recorded_at_ms < self.until_ms)
            and (not self.actor or event.actor == self.actor)
            and (not self.before or event.position < self.before)
        )


EVERY = EventFilter()
"""All events."""

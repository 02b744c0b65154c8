"""What it takes to give a log's documents the form that this m8 writes, and how far that has come."""

from __future__ import annotations

import time
from dataclasses import dataclass

from monoskope import operating_log

TOLD_S = 5.0
"""How often a migration says how far it has come, in seconds."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a migration of a log would do.

    Attributes:
        form: The form of its documents now.
        new_form: The form after it; the same if nothing is to be done.
        events: How many events would be replayed.
        seconds: About how long that takes with nobody else at work, by replaying some of them now.
        size: About how many bytes of disk the new documents take. The old ones are dropped afterwards.
        online: Whether an older m8 may go on meanwhile, until the change itself.
    """

    form: int
    new_form: int
    events: int = 0
    seconds: float = 0.0
    size: int = 0
    online: bool = True

    @property
    def is_needed(self) -> bool:
        """Whether there is something to do."""
        return self.form != self.new_form


class Progress:
    """Writes to the operating log how far a build of documents has come: at once, and every few seconds."""

    def __init__(self) -> None:
        self._told = float("-inf")

    def __call__(self, replayed: int, left: int) -> None:
        """Take note that so many events are replayed, and so many are left."""
        now = time.monotonic()
        if now - self._told < TOLD_S:
            return
        self._told = now
        operating_log.get().info("migrating the read models", events_replayed=replayed, events_left=left)

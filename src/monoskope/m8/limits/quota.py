"""How many bytes one subject may have recorded in a day, so that no user fills the disk.

The quota counts what is recorded (`readmodels.usage`), so all m8 processes of one log agree, and a restart changes
nothing. It also counts what this process is recording. What other processes are recording at the same moment may come
on top, and what reactors append to requests that were let in: how those end is always recorded.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

from google.protobuf.message import Message

from monoskope.errors import RateLimitedError
from monoskope.m8.readmodels.usage import DAY_MS, Usage, bytes_of
from monoskope.protocol.grant import ENCAPSULATED_KEY_BYTES, TAG_BYTES
from monoskope.protocol.payload import MAX_PADDED
from monoskope.times import instant

LARGEST = ENCAPSULATED_KEY_BYTES + MAX_PADDED + TAG_BYTES
"""Bytes of the largest sealed secret."""

RECORD_BYTES = 2_048
"""Bytes in the record of an event at most, besides its message: its place, the names of stream, type and actor, the URI
and what it says in a few words."""


def bytes_with(*parts: bytes | Message | None, sealed: int = 0) -> int:
    """Return how many bytes an event with these `parts` takes on disk at most, and `sealed` bytes beside it."""
    sizes = (part.ByteSize() if isinstance(part, Message) else len(part or b"") for part in parts)
    return bytes_of(RECORD_BYTES + sum(sizes), sealed)


class Quota:
    """Lets each subject have only so many bytes recorded in a day (UTC).

    Args:
        recorded: Returns what a subject had recorded on the day of that time, milliseconds since 1970.
        most: How many bytes it may.
        clock: Milliseconds since 1970.
    """

    def __init__(self, recorded: Callable[[str, int], Awaitable[Usage]], most: int, clock: Callable[[], int]) -> None:
        self._recorded = recorded
        self._most = most
        self._clock = clock
        self._being_recorded: Counter[str] = Counter()

    async def _require(self, subject: str, size: int) -> None:
        """Raise unless `subject` may have `size` more bytes recorded today.

        Raises:
            RateLimitedError: it may not; the message says how much was recorded, of how much, and when the next day
                begins.
        """
        now_ms = self._clock()
        day = now_ms // DAY_MS
        used = (await self._recorded(subject, now_ms)).size + self._being_recorded[subject]
        if used + size > self._most:
            raise RateLimitedError(
                f"{subject} has used {used} of the {self._most} bytes that m8 records for a user in a day (UTC), and "
                f"{size} more would be too many; the next day begins at {instant((day + 1) * DAY_MS)}.",
                fix="Wait until then, or ask an operator to raise `recorded_bytes_per_user_per_day` in m8.toml.",
                retry_after_s=((day + 1) * DAY_MS - now_ms) / 1000,
            )

    @contextlib.asynccontextmanager
    async def used(self, subject: str, size: int, *, later: int = 0) -> AsyncIterator[None]:
        """Count `size` bytes of `subject` as long as the block records them.

        Raises:
            RateLimitedError: it may not have so many more recorded today, and `later` besides.
        """
        await self._require(subject, size + later)
        self._being_recorded[subject] += size
        try:
            yield
        finally:
            self._being_recorded[subject] -= size
            if not self._being_recorded[subject]:
                del self._being_recorded[subject]

"""How many sealed bytes one subject may have stored in a day, so that no user fills the disk.

The quota counts what is recorded (`readmodels.sealed_bytes`), so all m8 processes of one log agree, and a restart
changes nothing. It also counts what this process is recording. What other processes are recording at the same moment
may come on top.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

from monoskope.errors import RateLimitedError
from monoskope.m8.readmodels.sealed_bytes import DAY_MS
from monoskope.protocol.grant import ENCAPSULATED_KEY_BYTES, TAG_BYTES
from monoskope.protocol.payload import MAX_PADDED
from monoskope.times import instant

LARGEST = ENCAPSULATED_KEY_BYTES + MAX_PADDED + TAG_BYTES
"""Bytes of the largest sealed secret."""


class Quota:
    """Lets each subject record only so many sealed bytes a day (UTC).

    Args:
        recorded: Returns how many a subject recorded on the day of that number since 1970.
        most: How many it may.
        clock: Milliseconds since 1970.
    """

    def __init__(self, recorded: Callable[[str, int], Awaitable[int]], most: int, clock: Callable[[], int]) -> None:
        self._recorded = recorded
        self._most = most
        self._clock = clock
        self._being_recorded: Counter[str] = Counter()

    async def require(self, subject: str, size: int = LARGEST) -> None:
        """Raise unless `subject` may record `size` more bytes today; by default the size of the largest secret.

        Raises:
            RateLimitedError: it may not; the message says how much was recorded, of how much, and when the next day
                begins.
        """
        now_ms = self._clock()
        day = now_ms // DAY_MS
        used = await self._recorded(subject, day) + self._being_recorded[subject]
        if used + size > self._most:
            raise RateLimitedError(
                f"{subject} has {used} of the {self._most} sealed bytes that a user may store in a day (UTC), and "
                f"{size} more would be too many; the next day begins at {instant((day + 1) * DAY_MS)}.",
                fix="Wait until then, or ask an operator to raise `sealed_bytes_per_user_per_day` in m8.toml.",
                retry_after_s=((day + 1) * DAY_MS - now_ms) / 1000,
            )

    @contextlib.asynccontextmanager
    async def used(self, subject: str, size: int) -> AsyncIterator[None]:
        """Count `size` bytes of `subject` as long as the block records them.

        Raises:
            RateLimitedError: it may not record so many more today.
        """
        if not size:
            yield
            return
        await self.require(subject, size)
        self._being_recorded[subject] += size
        try:
            yield
        finally:
            self._being_recorded[subject] -= size
            if not self._being_recorded[subject]:
                del self._being_recorded[subject]

"""How many requests of one subject may be open, so that a user who floods m8 makes nobody else wait.

A reactor keeps a limited number of keys. So each subject may have at most `open_requests_per_user` (m8.toml) requests
that have not ended, over all m8 processes. Further requests wait here, in order, until one has ended, and are refused
when the call's time is over. Each m8 process lets one request in at a time, so there may be as many above the limit as
there are processes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from monoskope.errors import RateLimitedError
from monoskope.keyed_lock import KeyedLock

LOOK_S = 0.1
"""Seconds between two checks whether a request has ended."""

RETRY_AFTER_S = 1.0
"""When a request that was refused may come back: it has waited already, and may go on waiting."""


class RequestLimit:
    """Lets the callers of each subject in one after the other, and only below the limit.

    Args:
        count_open: Returns how many requests of a subject have not ended.
        most: How many there may be.
    """

    def __init__(self, count_open: Callable[[str], Awaitable[int]], most: int) -> None:
        self._count_open = count_open
        self._most = most
        self._queues: KeyedLock[str] = KeyedLock()

    @contextlib.asynccontextmanager
    async def place(self, subject: str, *, wait_s: float) -> AsyncIterator[None]:
        """Wait until `subject` may make one more request, and let no other of its callers in within the block.

        Raises:
            RateLimitedError: none of its requests ended within `wait_s` seconds.
        """
        async with contextlib.AsyncExitStack() as turn:
            try:
                async with asyncio.timeout(wait_s):
                    await turn.enter_async_context(self._queues.held(subject))
                    # Polled, because another process may end the request; only one caller of each subject polls.
                    while await self._count_open(subject) >= self._most:  # noqa: ASYNC110
                        await asyncio.sleep(LOOK_S)
            except TimeoutError:
                raise RateLimitedError(
                    f"{self._most} of your requests have not ended; m8 takes no more until one has.",
                    fix="Upload the secrets that you have keys for, or wait until the keys expire.",
                    retry_after_s=RETRY_AFTER_S,
                ) from None
            yield

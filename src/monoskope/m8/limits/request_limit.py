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

from monoskope.errors import RefusedError

LOOK_S = 0.1
"""Seconds between two checks whether a request has ended."""


class RequestLimit:
    """Lets the callers of each subject in one after the other, and only below the limit.

    Args:
        count_open: Returns how many requests of a subject have not ended.
        most: How many there may be.
    """

    def __init__(self, count_open: Callable[[str], Awaitable[int]], most: int) -> None:
        self._count_open = count_open
        self._most = most
        self._queues: dict[str, tuple[asyncio.Lock, int]] = {}

    @contextlib.asynccontextmanager
    async def place(self, subject: str, *, wait_s: float) -> AsyncIterator[None]:
        """Wait until `subject` may make one more request, and let no other of its callers in within the block.

        Raises:
            RefusedError: none of its requests ended within `wait_s` seconds.
        """
        lock, users = self._queues.get(subject, (asyncio.Lock(), 0))
        self._queues[subject] = (lock, users + 1)
        try:
            await self._wait(subject, lock, wait_s)
            try:
                yield
            finally:
                lock.release()
        finally:
            lock, users = self._queues.pop(subject)
            if users > 1:
                self._queues[subject] = (lock, users - 1)

    async def _wait(self, subject: str, lock: asyncio.Lock, wait_s: float) -> None:
        try:
            async with asyncio.timeout(wait_s):
                await lock.acquire()
                try:
                    # Polled, because another process may end the request; only one caller of each subject polls.
                    while await self._count_open(subject) >= self._most:  # noqa: ASYNC110
                        await asyncio.sleep(LOOK_S)
                except BaseException:
                    lock.release()
                    raise
        except TimeoutError:
            raise RefusedError(
                f"{self._most} of your requests have not ended; m8 takes no more until one has.",
                fix="Upload the secrets that you have keys for, or wait until the keys expire.",
            ) from None

"""Whose turn it is to ask for a key, so that one user's flood is that user's own wait.

A reactor keeps a bounded number of keys, and this process handles one call after the other. So each subject has at most
so many requests that have not ended (`open_requests_per_user` in m8.toml), over all m8 processes; whoever asks for more
waits here, in order, until one ends, and is refused when the call's time is over. Approximate by as many as there are
m8 processes, for each lets one in at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from monoskope.errors import RefusedError

LOOK_S = 0.1
"""How often whoever is next looks whether a request has ended."""


class RequestLimit:
    """Lets each subject's callers in one at a time, and only below its limit.

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
        """Hold the turn of `subject`.

        Raises:
            RefusedError: it did not come within `wait_s` seconds.
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
                    # Another process may be the one that ends it, so it is looked for; by one caller of each subject.
                    while await self._count_open(subject) >= self._most:  # noqa: ASYNC110
                        await asyncio.sleep(LOOK_S)
                except BaseException:
                    lock.release()
                    raise
        except TimeoutError:
            raise RefusedError(
                f"{self._most} requests of yours have not ended; no more are taken until one does.",
                fix="Upload what keys were given for, or wait until they expire.",
            ) from None

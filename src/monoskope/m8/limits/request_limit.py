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
from monoskope.keyed_lock import KeyedLock

LOOK_S = 0.1
"""How often whoever is next looks whether a request has ended."""


class Turns:
    """Lets each subject's callers in one at a time, and only below its limit.

    Args:
        count_open: Returns how many requests of a subject have not ended.
        most: How many there may be.
    """

    def __init__(self, count_open: Callable[[str], Awaitable[int]], most: int) -> None:
        self._count_open = count_open
        self._most = most
        self._queues: KeyedLock[str] = KeyedLock()

    @contextlib.asynccontextmanager
    async def turn(self, subject: str, *, wait_s: float) -> AsyncIterator[None]:
        """Hold the turn of `subject`.

        Raises:
            RefusedError: it did not come within `wait_s` seconds.
        """
        async with contextlib.AsyncExitStack() as turn:
            try:
                async with asyncio.timeout(wait_s):
                    await turn.enter_async_context(self._queues.held(subject))
                    # Another process may be the one that ends it, so it is looked for; by one caller of each subject.
                    while await self._count_open(subject) >= self._most:  # noqa: ASYNC110
                        await asyncio.sleep(LOOK_S)
            except TimeoutError:
                raise RefusedError(
                    f"{self._most} requests of yours have not ended; no more are taken until one does.",
                    fix="Upload what keys were given for, or wait until they expire.",
                ) from None
            yield

"""How much the reactors of one store may say in a second, so that one that is taken over slows down nobody else.

What comes faster waits: m8 reads nothing more of a reactor meanwhile, and so its connection holds it back. Reactors of
a store share their second, whichever session a message comes from.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from monoskope.m8.limits.logins import Bucket

HEARTBEAT = 10.0
"""What a heartbeat counts, in messages: each is written into the log's database."""

EACH_BYTES = 16_384
"""So many bytes count as one more message: signatures are verified over all of them."""

LOOK_S = 0.02
"""Seconds between two looks whether there is room again."""


class Pace:
    """Counts what reactors say to this process.

    Args:
        a_second: Messages of one store's reactors a second.
        clock: Seconds of a monotonic clock.
    """

    def __init__(self, a_second: float, clock: Callable[[], float]) -> None:
        self._a_second = a_second
        self._clock = clock
        self._stores: dict[str, Bucket] = {}

    async def keep(self, store: str, *, size: int, is_heartbeat: bool) -> None:
        """Wait until a message of `size` bytes may be handled that a reactor of `store`, which exists, has sent."""
        bucket = self._stores.setdefault(store, Bucket(self._a_second, self._clock()))
        while not bucket.has(self._clock()):  # noqa: ASYNC110 - time passes, and nothing tells it
            await asyncio.sleep(LOOK_S)
        bucket.take(self._clock(), (HEARTBEAT if is_heartbeat else 1.0) + size / EACH_BYTES)

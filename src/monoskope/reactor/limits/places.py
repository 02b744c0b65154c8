"""Places in this process, shared fairly: a subject may hold at most half, rounded up, of what the others leave.

So another subject finds room, however many places one subject asks for. Waiting requests get places in their order,
each as soon as its subject has room.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


def has_room(own: int, others: int, most: int) -> bool:
    """Whether a subject that has `own` of `most` may have one more while the others have `others`."""
    return 2 * own < most - others


class FairPlaces:
    """A number of places, for one event loop.

    Args:
        most: How many there are.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: Counter[str] = Counter()
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def held(self, subject: str) -> AsyncIterator[None]:
        """Hold a place in the name of `subject`, waiting for it as long as that takes."""
        await self._take(subject)
        try:
            yield
        finally:
            self._give_back(subject)

    async def _take(self, subject: str) -> None:
        if self._has_room(subject):
            self._held[subject] += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((subject, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_back(subject)
            else:
                self._waiting.remove((subject, turn))
            raise

    def _give_back(self, subject: str) -> None:
        self._held[subject] -= 1
        if not self._held[subject]:
            del self._held[subject]
        for waiting in list(self._waiting):
            whose, turn = waiting
            if not turn.done() and self._has_room(whose):
                self._held[whose] += 1
                self._waiting.remove(waiting)
                turn.set_result(None)

    def _has_room(self, subject: str) -> bool:
        own = self._held.get(subject, 0)
        return has_room(own, self._held.total() - own, self._most)

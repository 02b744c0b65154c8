"""The events that were recorded lately: read once, and from then on only what is new."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client.queries import MAX_PAGE_SIZE, EventFilter, Queries

MOST = 10_000
"""How many events are kept, the latest."""

_NEW = 200
"""How many events are read to see what is new."""


class RecentEvents:
    """The latest events that the caller may see.

    Args:
        queries: Returns those of the console's open client.
        most: How many are kept.
    """

    def __init__(self, queries: Callable[[], Queries], *, most: int = MOST) -> None:
        self._queries = queries
        self._most = most
        self._events: dict[int, views_pb2.EventSummary] = {}
        self._since_ms: int | None = None
        self._is_full = False
        self._reading = asyncio.Lock()

    async def newest(self, since_ms: int) -> tuple[list[views_pb2.EventSummary], bool]:
        """Return the same as `since`, but only as many as m8 answers at once if they have not been read yet."""
        if self._covers(since_ms):
            return await self.since(since_ms)
        found = await self._queries().last_events(MAX_PAGE_SIZE, wanted=EventFilter(since_ms=since_ms))
        return found, len(found) < MAX_PAGE_SIZE

    async def since(self, since_ms: int) -> tuple[list[views_pb2.EventSummary], bool]:
        """Return the events that were recorded then or later, in log order, and whether these are all."""
        async with self._reading:
            if not self._covers(since_ms) or not await self._read_new():
                await self._read(since_ms)
        found = [event for event in self._events.values() if event.recorded_at_ms >= since_ms]
        found.sort(key=lambda event: event.position)
        return found, self._since_ms is not None and self._since_ms <= since_ms

    def _covers(self, since_ms: int) -> bool:
        """Whether as much is kept as would be after another reading. Of what is full, older events were left out."""
        return self._since_ms is not None and (self._is_full or self._since_ms <= since_ms)

    async def _read_new(self) -> bool:
        """Read what came after the events that are kept, and return whether that was all of it."""
        if len(self._events) > 2 * self._most:
            return False
        found = await self._queries().last_events(_NEW, wanted=EventFilter(since_ms=self._since_ms or 0))
        # Positions tell, not times: the clocks of several m8 servers may differ.
        if len(found) == _NEW and found[0].position > max(self._events, default=0):
            return False
        self._events |= {event.position: event for event in found}
        return True

    async def _read(self, since_ms: int) -> None:
        found = await self._queries().last_events(self._most, wanted=EventFilter(since_ms=since_ms))
        self._events = {event.position: event for event in found}
        self._is_full = len(found) == self._most
        self._since_ms = found[0].recorded_at_ms if self._is_full else since_ms

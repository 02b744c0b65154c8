"""The events that were recorded lately: read once, and from then on only what is new."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client.event_filter import EventFilter
from monoskope.client.queries import Queries

MOST = 10_000
"""How many events are kept, the latest."""

_OVERLAP_MS = 60_000
"""Read again each time: the clocks of several m8 servers may differ by less."""


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
        self._reading = asyncio.Lock()

    async def since(self, since_ms: int) -> tuple[list[views_pb2.EventSummary], bool]:
        """Return the events that were recorded then or later, in log order, and whether these are all."""
        async with self._reading:
            if self._since_ms is None or since_ms < self._since_ms or not self._events:
                await self._read(since_ms)
            else:
                last_ms = max(event.recorded_at_ms for event in self._events.values())
                await self._read(max(self._since_ms, last_ms - _OVERLAP_MS))
        found = [event for event in self._events.values() if event.recorded_at_ms >= since_ms]
        found.sort(key=lambda event: event.position)
        return found, self._since_ms is not None and self._since_ms <= since_ms

    async def _read(self, since_ms: int) -> None:
        found = await self._queries().last_events(self._most, wanted=EventFilter(since_ms=since_ms))
        is_whole = len(found) < self._most
        if not is_whole or self._since_ms is None or since_ms < self._since_ms:
            self._events.clear()
            self._since_ms = since_ms if is_whole else found[0].recorded_at_ms
        self._events |= {event.position: event for event in found}

"""What happened lately, by time, outcome and person, from m8's log. All of it is m8's word.

The latest events are cached, so that questions about them need no m8.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.client.queries import MAX_PAGE_SIZE, EventFilter, Queries
from monoskope.monoctl.output.formats import Document
from monoskope.protocol.events import EVENTS, Step, request_id_of
from monoskope.protocol.outcomes import State
from monoskope.times import rfc3339

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_MOST_OPEN = 500
_MOST_FAILED = 100

MOST_EVENTS = 10_000
"""How many events are cached, the latest."""

_NEW = 200
"""How many events are read to see what is new."""

_ENDS = frozenset(step.event for step in Step if step.leads_to is State.ENDED)
_FAILED = Step.FAILED.event
_EDITED = events_pb2.SecretNotesUpdated.DESCRIPTOR.name
_ASKED = Step.KEY_REQUESTED.event


class RecentEvents:
    """The latest events that the caller may see.

    Args:
        queries: Returns those of the console's open client.
        most: How many are cached.
    """

    def __init__(self, queries: Callable[[], Queries], *, most: int = MOST_EVENTS) -> None:
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
        """Whether another reading would find no more. Of a full cache, older events were left out."""
        return self._since_ms is not None and (self._is_full or self._since_ms <= since_ms)

    async def _read_new(self) -> bool:
        """Read what came after the cached events, and return whether that was all of it."""
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


def summary(found: Sequence[views_pb2.EventSummary], *, since_ms: int, now_ms: int, length_ms: int) -> Document:
    """Return what events in log order say, in stretches of `length_ms`, the last of which ends now."""
    count = -(-(now_ms - since_ms) // length_ms)
    first = now_ms - count * length_ms
    buckets: list[Counter[str]] = [Counter() for _ in range(count)]
    people: defaultdict[str, Counter[str]] = defaultdict(Counter)
    asked_by = {event.stream: event.actor for event in found if event.type == _ASKED}
    for event in found:
        outcome = outcome_of(event)
        if outcome:
            # m8's clock may be ahead of this one.
            place = min(max(0, (event.recorded_at_ms - first) // length_ms), count - 1)
            buckets[place][outcome] += 1
            # A reactor records the end; the person is who asked.
            people[asked_by.get(event.stream, event.actor)][outcome] += 1
    return {
        "buckets": [
            {"from": rfc3339(first + number * length_ms), "outcomes": dict(bucket)}
            for number, bucket in enumerate(buckets)
        ],
        "outcomes": sorted({outcome for bucket in buckets for outcome in bucket}),
        "people": [
            {"actor": actor, "outcomes": dict(outcomes)}
            for actor, outcomes in sorted(people.items(), key=lambda one: (-one[1].total(), one[0]))
        ],
        "open": _open(found),
        "failed": _failed(found, asked_by),
    }


def outcome_of(event: views_pb2.EventSummary) -> str:
    """Return how the request ended that this event ends, e.g. "UPLOADED" or "FAILED: CONFLICT"; "" if it ends none."""
    if event.type == _EDITED:
        return "EDITED"
    if event.type not in _ENDS:
        return ""
    said = event.detail.partition(",")[0]
    return f"FAILED: {said}" if event.type == _FAILED else said


def _failed(found: Sequence[views_pb2.EventSummary], asked_by: Mapping[str, str]) -> list[Document]:
    """Return the newest requests that failed, the newest first."""
    failed = (event for event in reversed(found) if event.type == _FAILED)
    return [
        {
            "request_id": (request_id_of(event.stream) or b"").hex(),
            "uri": event.uri,
            "actor": asked_by.get(event.stream, event.actor),
            "at": rfc3339(event.recorded_at_ms),
            "reason": event.detail.partition(",")[0],
        }
        for event in itertools.islice(failed, _MOST_FAILED)
    ]


def _open(found: Iterable[views_pb2.EventSummary]) -> list[Document]:
    """Return the requests of that time that have not ended, the oldest first."""
    begun: dict[str, views_pb2.EventSummary] = {}
    last: dict[str, str] = {}
    for event in found:
        if event.type == _ASKED:
            begun[event.stream] = event
        if event.type in _ENDS:
            begun.pop(event.stream, None)
        elif event.type in EVENTS:
            last[event.stream] = event.type
    return [
        {
            "request_id": (request_id_of(stream) or b"").hex(),
            "uri": event.uri,
            "actor": event.actor,
            "since": rfc3339(event.recorded_at_ms),
            "last": last[stream],
        }
        for stream, event in list(begun.items())[:_MOST_OPEN]
    ]

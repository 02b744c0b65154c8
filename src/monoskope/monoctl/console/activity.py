"""What happened lately, by time, outcome and person, from m8's log. All of it is m8's word."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

from msgspec import Meta

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.monoctl.console.operations import Context, Request
from monoskope.monoctl.output.formats import Document
from monoskope.protocol.events import EVENTS, Step, request_id_of
from monoskope.protocol.outcomes import State
from monoskope.times import now_ms, rfc3339

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_DAYS_IN_HOURS = 2
_MOST_OPEN = 500
_MOST_FAILED = 100

_ENDS = frozenset(step.event for step in Step if step.leads_to is State.ENDED)
_FAILED = Step.FAILED.event
_EDITED = events_pb2.SecretNotesUpdated.DESCRIPTOR.name
_ASKED = Step.KEY_REQUESTED.event


class ActivityAsked(Request, frozen=True):
    """Of how many days, up to now."""

    days: Annotated[int, Meta(ge=1, le=366)]
    quick: bool = False
    """Whether the newest events are enough, if reading all would take long."""


async def activity(context: Context, asked: ActivityAsked) -> Document:
    """Answer what ended in that time, and what has not ended."""
    now = now_ms()
    length = _HOUR_MS if asked.days <= _DAYS_IN_HOURS else _DAY_MS
    since = now - asked.days * _DAY_MS
    found, complete = await (context.recent.newest(since) if asked.quick else context.recent.since(since))
    return summary(found, since_ms=since, now_ms=now, length_ms=length) | {"complete": complete}


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

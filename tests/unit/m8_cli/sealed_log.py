"""A log whose events are the documents of requests."""

from __future__ import annotations

from collections.abc import Iterable

from monoskope.m8.log.event_log import Change, Lookup, Put, RecordedEvent
from monoskope.m8.readmodels.uploads import UPLOADS


def document(event: RecordedEvent, _lookup: Lookup) -> Iterable[Change]:
    """Take the event's data as the request's document."""
    return [Put(UPLOADS, event.stream, event.data)]

"""What `m8 events signatures` finds in a log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from google.protobuf.message import Message

from monoskope.m8.cli.signatures import Done, done_requests
from monoskope.m8.log.event_log import EventLog, RecordedEvent
from monoskope.protocol.events import upload_stream
from tests.support.m8_walk import Documents, Walk


class Log:
    """A log that is read two events at a time."""

    def __init__(self, events: Sequence[RecordedEvent]) -> None:
        self._events = events

    async def read(self, *, after: int, limit: int) -> Sequence[RecordedEvent]:
        return self._events[after : after + min(limit, 2)]


async def done(walk: Walk, events: Sequence[Message]) -> list[Done]:
    documents = Documents()
    documents.record(upload_stream(walk.request.request_id), events)
    return [one async for one in done_requests(cast("EventLog", Log(documents.events)))]

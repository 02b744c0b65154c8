"""How many puts each subject began in the last minute in which it began any. Pure.

A put is a request that needs the right to put: an upload, a patch, a generation or an import.
"""

from __future__ import annotations

from collections.abc import Iterator

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.m8.log.event_log import Change, Lookup, Put, RecordedEvent
from monoskope.protocol.purposes import PURPOSES

PUTS = "puts"
"""Collection: subject -> number of the minute since 1970 and how many puts, in decimal digits with a space between."""

MINUTE_MS = 60_000


def project(upload: views_pb2.SecretUpload, event: RecordedEvent, lookup: Lookup) -> Iterator[Change]:
    """Yield the count that a new request changes, `upload` being the request after `event`.

    A log whose puts were recorded before they were counted begins to count with the next one.
    """
    rules = PURPOSES.get(upload.purpose)
    if event.version == 1 and rules is not None and rules.right == events_pb2.RIGHT_PUT:
        minute = event.recorded_at_ms // MINUTE_MS
        yield Put(PUTS, upload.subject, b"%d %d" % (minute, puts_in(minute, lookup(PUTS, upload.subject)) + 1))


def puts_in(minute: int, body: bytes | None) -> int:
    """Return how many puts a document counts in the minute of that number, 0 if it is of another minute."""
    if body is None:
        return 0
    counted, _, total = body.partition(b" ")
    return int(total) if int(counted) == minute else 0

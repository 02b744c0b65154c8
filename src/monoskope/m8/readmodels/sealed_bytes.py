"""How many sealed bytes each subject had recorded on the last day (UTC) on which it had any. Pure.

A request's signature counts with the bytes that it signs. Names that were listed stay in the log, too, so a page of
them counts with the bytes of its receipt; and so do edits of notes, for which no reactor is asked, and which nothing
else would limit.
"""

from __future__ import annotations

from collections.abc import Iterator

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.m8.domain.events import read
from monoskope.m8.domain.notes import bytes_of
from monoskope.m8.log.event_log import Change, Lookup, Put, RecordedEvent

SEALED_BYTES = "sealed-bytes"
"""Collection: subject -> number of the day since 1970 and how many bytes, in decimal digits with a space between."""

DAY_MS = 86_400_000


def project(upload: views_pb2.SecretUpload, event: RecordedEvent, lookup: Lookup) -> Iterator[Change]:
    """Yield the count that a sealed secret changes, `upload` being the request after `event`.

    A log whose secrets were recorded before they were counted begins to count with the next one, or is rebuilt.
    """
    message = read(event)
    size = 0
    if isinstance(message, events_pb2.SecretUploadRequested):
        size = message.size + len(message.request_signature)
    size += len(upload.receipt.content) if upload.outcome == upload_pb2.OUTCOME_LISTED else 0
    if size:
        yield _more(upload.subject, size, event, lookup)


def project_edit(event: RecordedEvent, lookup: Lookup) -> Iterator[Change]:
    """Yield the count that an edit of notes changes."""
    message = read(event)
    if isinstance(message, events_pb2.SecretNotesUpdated):
        yield _more(event.actor, bytes_of(message), event, lookup)


def _more(subject: str, size: int, event: RecordedEvent, lookup: Lookup) -> Put:
    day = event.recorded_at_ms // DAY_MS
    total = bytes_on(day, lookup(SEALED_BYTES, subject)) + size
    return Put(SEALED_BYTES, subject, b"%d %d" % (day, total))


def bytes_on(day: int, body: bytes | None) -> int:
    """Return how many bytes a document counts on the day of that number, 0 if it is of another day."""
    if body is None:
        return 0
    counted, _, total = body.partition(b" ")
    return int(total) if int(counted) == day else 0

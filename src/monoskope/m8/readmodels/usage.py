"""What each subject had recorded on the last day (UTC), in bytes, and its puts of the last hour. Pure.

Every event of a request counts against the subject that asked, whichever process appended it: m8 keeps it for ever. So
do edits of notes and tokens, for which no reactor is asked: a token that the subject exchanged or that a copy of theirs
needs, and also one that an administrator made. A put is a request that needs the right to put: an upload, a patch, a
generation or an import.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2, options_pb2
from monoskope.m8.domain.events import read
from monoskope.m8.log.event_log import Change, Lookup, Put, RecordedEvent
from monoskope.protocol.purposes import PURPOSES

USAGE = "usage"
"""Collection: subject -> the four numbers of `Usage`, in decimal digits with a space between."""

DAY_MS = 86_400_000
HOUR_MS = 3_600_000

EVENT_BYTES = 1_024
"""What an event takes on disk at most beside its content: its rows, their indexes, and its place in the tree."""

COPIES = 3
"""How often the content of a record stands on disk at most: in the log, and in documents with their indexes."""


class Usage(NamedTuple):
    """What one subject did lately."""

    day: int = 0
    """A day, counted from 1970."""
    size: int = 0
    """Bytes that were recorded on it."""
    hour: int = 0
    """An hour, counted from 1970."""
    puts: int = 0
    """Puts that were begun in it."""

    @classmethod
    def parse(cls, body: bytes | None, at_ms: int) -> Usage:
        """Return what a document says, at a time: 0 of what was on another day, or in another hour."""
        day, hour = at_ms // DAY_MS, at_ms // HOUR_MS
        known = cls(*map(int, body.split())) if body is not None else cls()
        return cls(day, known.size if known.day == day else 0, hour, known.puts if known.hour == hour else 0)


def bytes_of(record: int, sealed: int = 0) -> int:
    """Return how many bytes an event takes on disk at most: `record` bytes of its record, and `sealed` beside it."""
    return COPIES * record + EVENT_BYTES + sealed


def project(upload: views_pb2.SecretUpload, event: RecordedEvent, lookup: Lookup) -> Iterator[Change]:
    """Yield what an event of a request changes, `upload` being the request after `event`.

    A log that was written before this was counted begins to count with the next event, or is rebuilt.
    """
    message = read(event)
    sealed = message.size if isinstance(message, events_pb2.SecretUploadRequested) else 0
    rules = PURPOSES.get(upload.purpose)
    is_put = event.version == 1 and rules is not None and rules.puts
    rows = _rows(upload.uri, upload.labels) if event.version == 1 else 0
    yield _more(upload.subject, event, lookup, rows=rows, sealed=sealed, puts=int(is_put))


def project_rest(event: RecordedEvent, lookup: Lookup) -> Iterator[Change]:
    """Yield what an edit of notes changes, and a token."""
    message = read(event)
    if isinstance(message, events_pb2.SecretNotesUpdated):
        yield _more(event.actor, event, lookup, rows=_rows(message.uri, message.edit.set_labels))
    elif isinstance(message, events_pb2.TokenIssued):
        # Its revocation, which is never refused, has a smaller record.
        yield _more(message.subject, event, lookup, rows=0, sealed=bytes_of(len(event.record)))


def _rows(uri: str, labels: Iterable[options_pb2.Label]) -> int:
    """Return the bytes of the rows by which a secret is found by its labels: each has the label and the URI."""
    return sum(len(uri) + len(label.name) + len(label.value.encode()) for label in labels)


def _more(subject: str, event: RecordedEvent, lookup: Lookup, *, rows: int, sealed: int = 0, puts: int = 0) -> Put:
    known = Usage.parse(lookup(USAGE, subject), event.recorded_at_ms)
    size = known.size + bytes_of(len(event.record) + rows, sealed)
    return Put(USAGE, subject, b"%d %d %d %d" % known._replace(size=size, puts=known.puts + puts))

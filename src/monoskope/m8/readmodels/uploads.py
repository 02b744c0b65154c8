"""Requests: how they are shown, a document of each one that has not ended, and what each subject uses. Pure.

`domain.upload` reads the events. `view` shows a request as its stream tells of it, so no document repeats a grant or a
receipt. While a request is open, `open-uploads/<32 hex>` holds what projectors, which see no stream, need of it, and
those who look for open requests. When it ends, the document goes.

Every event of a request counts against the subject that asked, whichever process appended it: m8 keeps it for ever. So
do edits of notes, all that is said of changes, and tokens, for which no reactor is asked: a token that the subject
exchanged or that a copy of theirs needs, and also one that an administrator made. A put is a request that needs the
right to put: an upload, a patch, a generation or an import.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2, options_pb2, upload_pb2
from monoskope.m8.domain.events import read
from monoskope.m8.domain.upload import NEW, Upload, following
from monoskope.m8.log.event_log import Change, Delete, Lookup, Put, RecordedEvent
from monoskope.protocol.events import receipt_of
from monoskope.protocol.notes import Labels, labels_of
from monoskope.protocol.outcomes import State
from monoskope.protocol.request import parse_request
from monoskope.protocol.wire import MalformedError

OPEN_UPLOADS = "open-uploads"
"""Collection: request id, 32 hex digits -> `body_of` a request, until it has ended."""

ENDED = "ended-uploads"
"""Collection: 13 digits of the end in milliseconds since 1970, a line feed, SHA-256 of the sealed bytes -> nothing."""

OPEN_COUNTS = "open-counts"
"""Collection: subject -> how many of its requests have not ended, in decimal digits; none for 0."""

_STATES = {
    State.REQUESTED: views_pb2.UPLOAD_STATE_REQUESTED,
    State.GRANTED: views_pb2.UPLOAD_STATE_GRANTED,
    State.UPLOADING: views_pb2.UPLOAD_STATE_UPLOADING,
    State.WRITING: views_pb2.UPLOAD_STATE_WRITING,
    State.ENDED: views_pb2.UPLOAD_STATE_ENDED,
}

_NO_BYTES = frozenset({b"", hashlib.sha256(b"").digest()})
"""What a request names that sealed nothing."""

_Body = tuple[int, str, int, int, str, bytes, bytes]
_BODIES = msgspec.msgpack.Decoder(_Body)


def body_of(upload: Upload) -> bytes:
    """Return the document of an open request: all but its grant, its signature and its receipt."""
    assert upload.request is not None, "an open request was asked for"
    body: _Body = (
        upload.version,
        upload.state.name,
        upload.since_ms,
        upload.began_ms,
        upload.subject,
        upload.sealed_sha256,
        upload.request.content,
    )
    return msgspec.msgpack.encode(body)


def open_upload(body: bytes) -> Upload:
    """Return the request of a document in `OPEN_UPLOADS`; with `request` None for one that only a newer m8 can read."""
    version, state, since_ms, began_ms, subject, sealed_sha256, content = _BODIES.decode(body)
    try:
        request = parse_request(content)
    except MalformedError:
        request = None
    return Upload(
        version=version,
        state=State[state],
        since_ms=since_ms,
        began_ms=began_ms,
        request=request,
        subject=subject,
        sealed_sha256=sealed_sha256,
    )


def open_uri(body: bytes) -> str:
    """Return the URI of a document in `OPEN_UPLOADS`, whether or not this m8 can read all of its request."""
    return upload_pb2.UploadRequest.FromString(_BODIES.decode(body)[-1]).uri


def after(upload: Upload, event: RecordedEvent) -> Upload | None:
    """Return `upload` after `event` of its stream; None if that is of an unknown type, or cannot follow."""
    message = read(event)
    if message is None:
        return None
    if upload.version != event.version - 1:  # events of unknown types lie between
        upload = replace(upload, version=event.version - 1)
    return following(upload, message, at_ms=event.recorded_at_ms)


def take(event: RecordedEvent, lookup: Lookup) -> Upload | None:
    """Return the request that `event` belongs to, as it is after it; None if it cannot follow what came before it.

    It has no grant, and only the receipt that is in `event` itself.
    """
    known = NEW
    if event.version > 1:
        body = lookup(OPEN_UPLOADS, _id_of(event))
        if body is None:
            return None
        known = open_upload(body)
    return after(known, event)


def shown(events: Iterable[RecordedEvent], known: Upload = NEW) -> views_pb2.SecretUpload | None:
    """Return the request `known` after those of `events` that it lacks as the API shows it.

    Returns None if there is no request, or an event between is missing.
    """
    upload, version = known, known.version
    for event in events:
        if event.version > version:
            if event.version != version + 1:
                return None
            upload, version = after(upload, event) or upload, event.version
    return None if upload is NEW else view(upload)


def view(upload: Upload) -> views_pb2.SecretUpload:
    """Return `upload` as the API shows it."""
    request, grant = upload.request, upload.grant
    assert request is not None, "a request is shown that was recorded"
    failed = upload.failed or events_pb2.SecretUploadFailed()
    return views_pb2.SecretUpload(
        request_id=request.request_id,
        uri=str(request.uri),
        purpose=request.purpose,
        subject=upload.subject,
        state=_STATES[upload.state],
        requested_at_ms=upload.began_ms,
        changed_at_ms=upload.since_ms,
        state_since_ms=upload.since_ms,
        version=upload.version,
        grant=upload.signed_grant,
        replica=b"" if grant is None else grant.replica,
        lifetime_s=0 if grant is None else grant.lifetime_s,
        sealed_sha256=upload.sealed_sha256,
        request_sha256=hashlib.sha256(request.content).digest(),
        receipt=upload.signed_receipt,
        outcome=upload.outcome,
        reason=failed.reason,
        retry_after_s=failed.retry_after_s,
        detail=failed.detail,
        labels=[options_pb2.Label(name=name, value=value) for name, value in request.labels],
        keep_labels=request.keep_labels,
        expires_on=request.expires_on,
        keep_expires_on=request.keep_expires_on,
        destination=str(request.destination or ""),
    )


def project(upload: Upload, event: RecordedEvent, lookup: Lookup) -> Iterator[Change]:
    """Yield what changes in the documents about requests by an event after which `upload` is as `take` returned it."""
    yield from _project_open(upload, event, lookup)
    message, request = read(event), upload.request
    assert request is not None, "the first event of a request is that it is asked for"
    sealed = message.size if isinstance(message, events_pb2.SecretUploadRequested) else 0
    is_first = event.version == 1
    rows = _rows(str(request.uri), request.labels) if is_first else 0
    yield _more(upload.subject, event, lookup, rows=rows, sealed=sealed, puts=int(is_first and request.rules.puts))


def _project_open(upload: Upload, event: RecordedEvent, lookup: Lookup) -> Iterator[Change]:
    if upload.state is State.ENDED:
        yield Delete(OPEN_UPLOADS, _id_of(event))
        yield _count(upload.subject, lookup, more=-1)
        if upload.sealed_sha256 not in _NO_BYTES:
            yield Put(ENDED, ended_key(event.recorded_at_ms, upload.sealed_sha256), b"")
        return
    yield Put(OPEN_UPLOADS, _id_of(event), body_of(upload))
    if event.version == 1:
        yield _count(upload.subject, lookup, more=1)


def _id_of(event: RecordedEvent) -> str:
    return event.stream.partition("/")[2]


def ended_key(at_ms: int, sealed_sha256: bytes) -> str:
    """Return the key, in `ENDED`, of a request that ended then."""
    return f"{at_ms:013}\n{sealed_sha256.hex()}"


def ended(key: str) -> tuple[int, bytes]:
    """Return when a request ended and the SHA-256 of its sealed bytes, from a key in `ENDED`."""
    at, _, digest = key.partition("\n")
    return int(at), bytes.fromhex(digest)


def end_receipt(event: RecordedEvent) -> upload_pb2.Signed | None:
    """Return the receipt in an event of a request, None if it has none."""
    message = read(event)
    return None if message is None else receipt_of(message)


def _count(subject: str, lookup: Lookup, *, more: int) -> Change:
    count = int(lookup(OPEN_COUNTS, subject) or b"0") + more
    return Put(OPEN_COUNTS, subject, b"%d" % count) if count > 0 else Delete(OPEN_COUNTS, subject)


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


_OF_CHANGES = (
    events_pb2.SecretChangeProposed,
    events_pb2.SecretChangeApproved,
    events_pb2.SecretChangeDeclined,
    events_pb2.SecretChangeWithdrawn,
)


def project_rest(event: RecordedEvent, lookup: Lookup) -> Iterator[Change]:
    """Yield what an edit of notes changes, what is said of a change, and a token."""
    message = read(event)
    if isinstance(message, events_pb2.SecretNotesUpdated):
        yield _more(event.actor, event, lookup, rows=_rows(message.uri, labels_of(message.edit.set_labels)))
    elif isinstance(message, _OF_CHANGES):
        yield _more(event.actor, event, lookup, rows=0)
    elif isinstance(message, events_pb2.TokenIssued):
        # Its revocation, which is never refused, has a smaller record.
        yield _more(message.subject, event, lookup, rows=0, sealed=bytes_of(len(event.record)))


def _rows(uri: str, labels: Labels) -> int:
    """Return the bytes of the rows by which a secret is found by its labels: each has the label and the URI."""
    return sum(len(uri) + len(name) + len(value.encode()) for name, value in labels)


def _more(subject: str, event: RecordedEvent, lookup: Lookup, *, rows: int, sealed: int = 0, puts: int = 0) -> Put:
    known = Usage.parse(lookup(USAGE, subject), event.recorded_at_ms)
    size = known.size + bytes_of(len(event.record) + rows, sealed)
    return Put(USAGE, subject, b"%d %d %d %d" % known._replace(size=size, puts=known.puts + puts))

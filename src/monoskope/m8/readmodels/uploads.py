"""Requests: what their streams say, and a document of each one that has not ended. Pure.

`shown` makes the whole SecretUpload from the events of its stream, so no document repeats a grant or a receipt. While a
request is open, `open-uploads/<32 hex>` holds the rest of it, for projectors, which see no stream, and for those who
look for open requests. When it ends, the document goes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.m8.domain.events import read
from monoskope.m8.log.event_log import Change, Delete, Lookup, Put, RecordedEvent
from monoskope.protocol.events import follow, receipt_of, request_id_of
from monoskope.protocol.grant import parse_grant
from monoskope.protocol.outcomes import State
from monoskope.protocol.receipt import parse_receipt
from monoskope.protocol.request import parse_request

OPEN_UPLOADS = "open-uploads"
"""Collection: request id, 32 hex digits -> SecretUpload without grant and receipt, until the request has ended."""

ENDED = "ended-uploads"
"""Collection: 13 digits of the end in milliseconds since 1970, a line feed, SHA-256 of the sealed bytes -> nothing."""

OPEN_COUNTS = "open-counts"
"""Collection: subject -> how many of its requests have not ended, in decimal digits; none for 0."""

_STATES = {
    State.NEW: views_pb2.UPLOAD_STATE_UNSPECIFIED,
    State.REQUESTED: views_pb2.UPLOAD_STATE_REQUESTED,
    State.GRANTED: views_pb2.UPLOAD_STATE_GRANTED,
    State.UPLOADING: views_pb2.UPLOAD_STATE_UPLOADING,
    State.WRITING: views_pb2.UPLOAD_STATE_WRITING,
    State.ENDED: views_pb2.UPLOAD_STATE_ENDED,
}
_STATE_OF = {view: state for state, view in _STATES.items()}

_NO_BYTES = frozenset({b"", hashlib.sha256(b"").digest()})
"""What a request names that sealed nothing."""


def take(event: RecordedEvent, lookup: Lookup) -> views_pb2.SecretUpload | None:
    """Return the request that `event` belongs to, as it is after it; None if it cannot follow what came before it.

    It has no grant, and only the receipt that is in `event` itself.
    """
    request_id = request_id_of(event.stream)
    if request_id is None:
        return None
    known = None if event.version == 1 else lookup(OPEN_UPLOADS, request_id.hex())
    if known is None:
        return _follow(views_pb2.SecretUpload(), event) if event.version == 1 else None
    return _follow(views_pb2.SecretUpload.FromString(known), event)


def shown(events: Iterable[RecordedEvent]) -> views_pb2.SecretUpload | None:
    """Return the request whose stream has these events, None if it has none."""
    upload = None
    for event in events:
        upload = _follow(upload or views_pb2.SecretUpload(), event) or upload
    return upload


def project(upload: views_pb2.SecretUpload, event: RecordedEvent, lookup: Lookup) -> Iterator[Change]:
    """Yield what changes in the documents about requests by an event after which `upload` is as `take` returned it."""
    key = event.stream.partition("/")[2]
    if upload.state == views_pb2.UPLOAD_STATE_ENDED:
        yield Delete(OPEN_UPLOADS, key)
        yield _count(upload.subject, lookup, more=-1)
        if upload.sealed_sha256 not in _NO_BYTES:
            yield Put(ENDED, ended_key(event.recorded_at_ms, upload.sealed_sha256), b"")
        return
    kept = views_pb2.SecretUpload()
    kept.CopyFrom(upload)
    kept.ClearField("grant")
    kept.ClearField("receipt")
    yield Put(OPEN_UPLOADS, key, kept.SerializeToString(deterministic=True))
    if event.version == 1:
        yield _count(upload.subject, lookup, more=1)


def ended_key(at_ms: int, sealed_sha256: bytes) -> str:
    """Return the key, in `ENDED`, of a request that ended then."""
    return f"{at_ms:013}\n{sealed_sha256.hex()}"


def ended(key: str) -> tuple[int, bytes]:
    """Return when a request ended and the SHA-256 of its sealed bytes, from a key in `ENDED`."""
    at, _, digest = key.partition("\n")
    return int(at), bytes.fromhex(digest)


def _follow(upload: views_pb2.SecretUpload, event: RecordedEvent) -> views_pb2.SecretUpload | None:
    """Apply `event` to `upload` and return it; None, and `upload` as it was, if it cannot follow."""
    message = read(event)
    if message is None:
        return None
    state = follow(_STATE_OF[upload.state], message, version=event.version, seen=event.version - 1)
    if state is None:
        return None
    _apply(upload, message, event)
    _apply_receipt(upload, message, state)
    upload.version = event.version
    upload.changed_at_ms = event.recorded_at_ms
    upload.state = _STATES[state]
    upload.state_since_ms = event.recorded_at_ms
    return upload


def end_receipt(event: RecordedEvent) -> upload_pb2.Signed | None:
    """Return the receipt in an event of a request, None if it has none."""
    message = read(event)
    return None if message is None else receipt_of(message)


def _count(subject: str, lookup: Lookup, *, more: int) -> Change:
    count = int(lookup(OPEN_COUNTS, subject) or b"0") + more
    # A log whose requests began before they were counted may end more than it counts.
    return Put(OPEN_COUNTS, subject, b"%d" % count) if count > 0 else Delete(OPEN_COUNTS, subject)


def _apply(upload: views_pb2.SecretUpload, message: Message, event: RecordedEvent) -> None:
    match message:
        case events_pb2.SecretUploadKeyRequested():
            _apply_request(upload, message, event)
        case events_pb2.SecretUploadKeyProvided():
            grant = parse_grant(message.grant.content)
            upload.grant.CopyFrom(message.grant)
            upload.replica = grant.replica
            upload.lifetime_s = grant.lifetime_s
        case events_pb2.SecretUploadRequested():
            upload.sealed_sha256 = message.sealed_sha256
        case events_pb2.SecretUploadFailed():
            upload.reason = message.reason
            upload.retry_after_s = message.retry_after_s
            upload.detail = message.detail
        case _:
            pass


def _apply_receipt(upload: views_pb2.SecretUpload, message: Message, state: State) -> None:
    receipt = receipt_of(message)
    if state is State.ENDED:
        # STARTED says nothing about the end, so it does not stand in for a missing FAILED receipt.
        upload.ClearField("receipt")
        if receipt is None or isinstance(message, events_pb2.SecretUploadFailed):
            upload.outcome = upload_pb2.OUTCOME_FAILED
        else:
            upload.outcome = parse_receipt(receipt.content).outcome
    if receipt is not None:
        upload.receipt.CopyFrom(receipt)


def _apply_request(
    upload: views_pb2.SecretUpload, message: events_pb2.SecretUploadKeyRequested, event: RecordedEvent
) -> None:
    request = parse_request(message.request)
    upload.request_id = request.request_id
    upload.uri = str(request.uri)
    upload.purpose = request.purpose
    upload.subject = message.subject
    upload.requested_at_ms = event.recorded_at_ms
    upload.request_sha256 = hashlib.sha256(message.request).digest()
    upload.expires_on = request.expires_on
    upload.keep_labels, upload.keep_expires_on = request.keep_labels, request.keep_expires_on
    upload.destination = "" if request.destination is None else str(request.destination)
    for name, value in request.labels:
        upload.labels.add(name=name, value=value)

"""Requests: `uploads/<32 hex>` is the SecretUpload, `open-uploads/<32 hex>` the same until it has ended. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.m8.domain.events import read
from monoskope.m8.log.event_log import Change, Delete, Lookup, Put, RecordedEvent
from monoskope.protocol.events import Step, follow, receipt_of, request_id_of
from monoskope.protocol.grant import parse_grant
from monoskope.protocol.receipt import parse_receipt
from monoskope.protocol.request import parse_request
from monoskope.protocol.upload import State

UPLOADS = "uploads"
"""Collection: request id, 32 hex digits -> SecretUpload."""

OPEN_UPLOADS = "open-uploads"
"""Collection: the same, without those that have ended."""

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
_STATE_OF = {shown: state for state, shown in _STATES.items()}


def project(event: RecordedEvent, lookup: Lookup) -> Iterator[Change]:
    """Yield what `event` changes in the documents about requests; nothing if it cannot follow what came before it."""
    request_id = request_id_of(event.stream)
    message = read(event)
    if request_id is None or message is None:
        return
    key = request_id.hex()
    known = lookup(UPLOADS, key)
    upload = views_pb2.SecretUpload() if known is None else views_pb2.SecretUpload.FromString(known)
    before = _STATE_OF[upload.state]
    state = follow(before, message, version=event.version, seen=event.version - 1)
    if state is None:
        return
    _apply(upload, message, event)
    _apply_receipt(upload, message, state)
    upload.version = event.version
    upload.changed_at_ms = event.recorded_at_ms
    upload.state = _STATES[state]
    upload.state_since_ms = event.recorded_at_ms
    body = upload.SerializeToString(deterministic=True)
    yield Put(UPLOADS, key, body)
    if state is State.ENDED:
        yield Delete(OPEN_UPLOADS, key)
        yield _count(upload.subject, lookup, more=-1)
    else:
        yield Put(OPEN_UPLOADS, key, body)
    if before is State.NEW:
        yield _count(upload.subject, lookup, more=1)


def taken_in(event: RecordedEvent, lookup: Lookup) -> views_pb2.SecretUpload | None:
    """Return the request that `event` belongs to, as it is after it; None for an event that `project` passed over."""
    request_id = request_id_of(event.stream)
    body = None if request_id is None else lookup(UPLOADS, request_id.hex())
    upload = None if body is None else views_pb2.SecretUpload.FromString(body)
    return upload if upload is not None and upload.version == event.version else None


def ended_by(
    event: RecordedEvent, lookup: Lookup, outcomes: frozenset[upload_pb2.Outcome]
) -> views_pb2.SecretUpload | None:
    """Return the request that `event` ended with one of `outcomes`, None if it ended none so."""
    if not any(step.event == event.type and step.outcomes & outcomes for step in Step):
        return None
    upload = taken_in(event, lookup)
    return upload if upload is not None and upload.outcome in outcomes else None


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

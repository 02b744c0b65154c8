"""Requests: `uploads/<32 hex>` is the SecretUpload, `open-uploads/<32 hex>` the same until it has ended. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.m8.domain.events import read, upload_key
from monoskope.m8.log.event_log import Change, Delete, Lookup, Put, RecordedEvent
from monoskope.protocol.grant import parse_grant
from monoskope.protocol.receipt import parse_receipt
from monoskope.protocol.request import parse_request

UPLOADS = "uploads"
"""Collection: request id, 32 hex digits -> SecretUpload."""

OPEN_UPLOADS = "open-uploads"
"""Collection: the same, without those that have ended."""

OPEN_COUNTS = "open-counts"
"""Collection: subject -> how many of its requests have not ended, in decimal digits; none for 0."""


def project(event: RecordedEvent, lookup: Lookup) -> Iterator[Change]:
    """Yield what `event` changes in the documents about requests."""
    key = upload_key(event.stream)
    message = read(event)
    if key is None or message is None:
        return
    known = lookup(UPLOADS, key)
    upload = views_pb2.SecretUpload() if known is None else views_pb2.SecretUpload.FromString(known)
    before = upload.state
    _apply(upload, message, event)
    upload.version = event.version
    upload.changed_at_ms = event.recorded_at_ms
    if upload.state != before:
        upload.state_since_ms = event.recorded_at_ms
    body = upload.SerializeToString(deterministic=True)
    yield Put(UPLOADS, key, body)
    if upload.state == views_pb2.UPLOAD_STATE_ENDED:
        yield Delete(OPEN_UPLOADS, key)
    else:
        yield Put(OPEN_UPLOADS, key, body)
    is_open = upload.state != views_pb2.UPLOAD_STATE_ENDED
    was_open = before not in {views_pb2.UPLOAD_STATE_UNSPECIFIED, views_pb2.UPLOAD_STATE_ENDED}
    if is_open != was_open:
        yield _count(upload.subject, lookup, more=1 if is_open else -1)


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
            upload.state = views_pb2.UPLOAD_STATE_GRANTED
            upload.grant.CopyFrom(message.grant)
            upload.replica = grant.replica
            upload.lifetime_s = grant.lifetime_s
        case events_pb2.SecretUploadRequested():
            upload.state = views_pb2.UPLOAD_STATE_UPLOADING
            upload.sealed_sha256 = message.sealed_sha256
        case events_pb2.SecretUploadStarted():
            upload.state = views_pb2.UPLOAD_STATE_WRITING
            upload.receipt.CopyFrom(message.receipt)
        case (
            events_pb2.SecretUploaded()
            | events_pb2.SecretCompared()
            | events_pb2.SecretDeleted()
            | events_pb2.SecretVerified()
            | events_pb2.SecretDriftDetected()
            | events_pb2.SecretImported()
            | events_pb2.SecretCopied()
        ):
            upload.state = views_pb2.UPLOAD_STATE_ENDED
            upload.receipt.CopyFrom(message.receipt)
            upload.outcome = parse_receipt(message.receipt.content).outcome
        case events_pb2.SecretUploadFailed():
            _apply_failure(upload, message)
        case _:
            pass


def _apply_request(
    upload: views_pb2.SecretUpload, message: events_pb2.SecretUploadKeyRequested, event: RecordedEvent
) -> None:
    request = parse_request(message.request)
    upload.request_id = request.request_id
    upload.uri = str(request.uri)
    upload.purpose = request.purpose
    upload.subject = message.subject
    upload.state = views_pb2.UPLOAD_STATE_REQUESTED
    upload.requested_at_ms = event.recorded_at_ms
    upload.request_sha256 = hashlib.sha256(message.request).digest()
    upload.expires_on = request.expires_on
    upload.destination = "" if request.destination is None else str(request.destination)
    for name, value in request.labels:
        upload.labels.add(name=name, value=value)


def _apply_failure(upload: views_pb2.SecretUpload, message: events_pb2.SecretUploadFailed) -> None:
    upload.state = views_pb2.UPLOAD_STATE_ENDED
    upload.outcome = upload_pb2.OUTCOME_FAILED
    upload.reason = message.reason
    # STARTED says nothing about the end, so it does not stand in for a missing FAILED receipt.
    upload.ClearField("receipt")
    if message.HasField("receipt"):
        upload.receipt.CopyFrom(message.receipt)

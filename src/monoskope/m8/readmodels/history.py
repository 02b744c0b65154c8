"""What receipts told of each secret, one document a receipt, the newest first. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.m8.domain.events import read, upload_key
from monoskope.m8.log.event_log import Change, Lookup, Put, RecordedEvent
from monoskope.m8.readmodels.uploads import UPLOADS
from monoskope.protocol.receipt import parse_receipt

HISTORY = "secret-history"
"""Collection: URI, a line feed, 20 digits that fall as positions rise -> SecretVersion."""

TELLING = events_pb2.SecretUploaded | events_pb2.SecretDeleted | events_pb2.SecretImported
"""The events whose receipt tells what is upstream."""

_LAST = 10**20 - 1


def prefix(uri: str) -> str:
    """Return what the keys of one secret's documents begin with."""
    return f"{uri}\n"


def project(event: RecordedEvent, lookup: Lookup) -> Iterator[Change]:
    """Yield the document of a receipt that tells what is upstream. Must come after `uploads.project`."""
    key = upload_key(event.stream)
    message = read(event)
    if key is None or not isinstance(message, TELLING):
        return
    body = lookup(UPLOADS, key)
    assert body is not None, "the request was recorded before its end"
    upload = views_pb2.SecretUpload.FromString(body)
    receipt = parse_receipt(message.receipt.content)
    version = views_pb2.SecretVersion(
        uri=upload.uri,
        outcome=receipt.outcome,
        upstream_version=receipt.upstream_version,
        prior_version=receipt.prior_version,
        subject=upload.subject,
        recorded_at_ms=event.recorded_at_ms,
        request_id=upload.request_id,
        purpose=upload.purpose,
        fingerprint=receipt.fingerprint,
    )
    yield Put(
        HISTORY, f"{prefix(upload.uri)}{_LAST - event.position:020}", version.SerializeToString(deterministic=True)
    )

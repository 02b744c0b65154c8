"""What receipts told of each secret, and edits of its notes, one document each, the newest first. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from monoskope.api.gateway.v1 import views_pb2
from monoskope.m8.log.event_log import Change, Lookup, Put, RecordedEvent
from monoskope.m8.readmodels.uploads import ended_by
from monoskope.protocol.outcomes import TELLING
from monoskope.protocol.receipt import parse_receipt

HISTORY = "secret-history"
"""Collection: URI, a line feed, 20 digits that fall as positions rise -> SecretVersion."""

_LAST = 10**20 - 1


def prefix(uri: str) -> str:
    """Return what the keys of one secret's documents begin with."""
    return f"{uri}\n"


def project(event: RecordedEvent, lookup: Lookup) -> Iterator[Change]:
    """Yield the document of a receipt that tells what is upstream. Must come after `uploads.project`."""
    upload = ended_by(event, lookup, TELLING)
    if upload is None:
        return
    receipt = parse_receipt(upload.receipt.content)
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
    yield entry(version, event)


def entry(version: views_pb2.SecretVersion, event: RecordedEvent) -> Put:
    """Return the document that `event` adds to the past of a secret."""
    key = f"{prefix(version.uri)}{_LAST - event.position:020}"
    return Put(HISTORY, key, version.SerializeToString(deterministic=True))

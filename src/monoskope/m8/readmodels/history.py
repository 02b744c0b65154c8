"""What receipts told of each secret, and edits of its notes, one document each, the newest first.

A document names the request; what its receipt says is read from there (`versions`). An edit is its document.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from monoskope.api.gateway.v1 import views_pb2
from monoskope.m8.log.event_log import Change, EventLog, Lookup, Put, RecordedEvent
from monoskope.m8.readmodels.uploads import end_receipt
from monoskope.protocol.events import upload_stream
from monoskope.protocol.outcomes import TELLING
from monoskope.protocol.receipt import parse_receipt

HISTORY = "secret-history"
"""Collection: URI, a line feed, 20 digits that fall as positions rise -> SecretVersion without URI.

Of a receipt it has only the subject, the request and its purpose."""

_LAST = 10**20 - 1


def prefix(uri: str) -> str:
    """Return what the keys of one secret's documents begin with."""
    return f"{uri}\n"


def project(upload: views_pb2.SecretUpload, event: RecordedEvent, _lookup: Lookup) -> Iterator[Change]:
    """Yield the document of a receipt that tells what is upstream, `upload` being the request after `event`."""
    if upload.outcome in TELLING:
        version = views_pb2.SecretVersion(subject=upload.subject, request_id=upload.request_id, purpose=upload.purpose)
        yield entry(upload.uri, version, event)


async def versions(log: EventLog, documents: Sequence[tuple[str, bytes]]) -> list[views_pb2.SecretVersion]:
    """Return what documents of this collection, given with their keys, and the receipts that they name, say."""
    found = [views_pb2.SecretVersion.FromString(body) for _, body in documents]
    told = [version for version in found if not version.HasField("edit")]
    ends = await log.read_last([upload_stream(version.request_id) for version in told])
    for version, end in zip(told, ends, strict=True):
        assert end is not None, "the request has the event that this document was made of"
        _tell(version, end)
    for (key, _), version in zip(documents, found, strict=True):
        version.uri = key.partition("\n")[0]
    return found


def _tell(version: views_pb2.SecretVersion, end: RecordedEvent) -> None:
    signed = end_receipt(end)
    assert signed is not None, "a request of which a receipt tells ends with it"
    receipt = parse_receipt(signed.content)
    version.outcome = receipt.outcome
    version.upstream_version = receipt.upstream_version
    version.prior_version = receipt.prior_version
    version.recorded_at_ms = end.recorded_at_ms
    version.fingerprint = receipt.fingerprint


def entry(uri: str, version: views_pb2.SecretVersion, event: RecordedEvent) -> Put:
    """Return the document that `event` adds to the past of a secret."""
    key = f"{prefix(uri)}{_LAST - event.position:020}"
    return Put(HISTORY, key, version.SerializeToString(deterministic=True))

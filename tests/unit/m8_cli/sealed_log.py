"""A log whose events are the documents of requests."""

from __future__ import annotations

from collections.abc import Iterable

from monoskope.api.gateway.v1 import views_pb2
from monoskope.m8.domain.upload import Upload
from monoskope.m8.log.event_log import Change, Lookup, Put, RecordedEvent
from monoskope.m8.readmodels.uploads import ENDED, OPEN_UPLOADS, body_of, ended_key
from tests.support.vectors import a_request


def document(event: RecordedEvent, _lookup: Lookup) -> Iterable[Change]:
    """Take the event's data as the request: as what is kept while it is open, or when it ended."""
    upload = views_pb2.SecretUpload.FromString(event.data)
    if upload.state != views_pb2.UPLOAD_STATE_ENDED:
        return [
            Put(OPEN_UPLOADS, event.stream, body_of(Upload(request=a_request(), sealed_sha256=upload.sealed_sha256)))
        ]
    return [Put(ENDED, ended_key(upload.changed_at_ms, upload.sealed_sha256), b"")] if upload.sealed_sha256 else []

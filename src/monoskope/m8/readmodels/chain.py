"""All read models in one projector: what the log is opened with."""

from __future__ import annotations

from collections.abc import Iterator

from monoskope.m8.log.event_log import Change, Lookup, Projector, RecordedEvent
from monoskope.m8.readmodels import history, notes, secrets, stores, tokens, uploads, usage
from monoskope.protocol.events import request_id_of

OF_REQUESTS = (uploads.project, usage.project, secrets.project, history.project)
"""The projectors of what happens to requests: each is given the request as it is after the event."""

OF_THE_REST: tuple[Projector, ...] = (
    stores.project,
    tokens.project,
    notes.project,
    usage.project_rest,
)
"""The projectors of all other streams."""


def project(event: RecordedEvent, lookup: Lookup) -> Iterator[Change]:
    """Yield what `event` changes in all documents."""
    if request_id_of(event.stream) is None:
        for projector in OF_THE_REST:
            yield from projector(event, lookup)
        return
    upload = uploads.take(event, lookup)
    if upload is not None:
        for of_request in OF_REQUESTS:
            yield from of_request(upload, event, lookup)

"""All read models in one projector: what the log is opened with."""

from __future__ import annotations

from collections.abc import Iterator

from monoskope.m8.log.event_log import Change, Lookup, Projector, RecordedEvent
from monoskope.m8.readmodels import history, notes, sealed_bytes, secrets, stores, tokens, uploads
from monoskope.protocol.events import request_id_of

OF_REQUESTS: tuple[Projector, ...] = (uploads.project, sealed_bytes.project, secrets.project, history.project)
"""The projectors of what happens to requests, in the order in which they need one another."""

OF_THE_REST: tuple[Projector, ...] = (
    stores.project,
    tokens.project,
    notes.project,
    sealed_bytes.project_edit,
)
"""The projectors of all other streams."""


def project(event: RecordedEvent, lookup: Lookup) -> Iterator[Change]:
    """Yield what `event` changes in all documents."""
    for projector in OF_THE_REST if request_id_of(event.stream) is None else OF_REQUESTS:
        yield from projector(event, lookup)

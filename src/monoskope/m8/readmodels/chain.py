"""All read models in one projector: what the log is opened with."""

from __future__ import annotations

from collections.abc import Iterator

from monoskope.m8.log.event_log import Change, Lookup, Projector, RecordedEvent
from monoskope.m8.readmodels import history, secrets, stores, tokens, uploads

PROJECTORS: tuple[Projector, ...] = (
    uploads.project,
    secrets.project,
    history.project,
    stores.project,
    tokens.project,
)
"""Each read model's projector, in the order in which they need one another."""


def project(event: RecordedEvent, lookup: Lookup) -> Iterator[Change]:
    """Yield what `event` changes in all documents."""
    for projector in PROJECTORS:
        yield from projector(event, lookup)

"""Edits of what users note about secrets: each changes the head of its secret, and is a line of its past. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import UsageError
from monoskope.m8.domain.events import read
from monoskope.m8.log.event_log import Change, Lookup, RecordedEvent
from monoskope.m8.readmodels.history import entry
from monoskope.m8.readmodels.secrets import head_of, put_head, set_notes
from monoskope.protocol.notes import edit_of, labels_of


def project(event: RecordedEvent, lookup: Lookup) -> Iterator[Change]:
    """Yield what an edit changes. It must come after the receipts that it follows.

    What was recorded between the decision and the edit can leave it no secret, or no room for its labels. Then it
    changes nothing.
    """
    message = read(event)
    if not isinstance(message, events_pb2.SecretNotesUpdated):
        return
    head = head_of(message.uri, lookup)
    if head is None or head.secret.deleted:
        return
    secret = head.secret
    try:
        labels, expires_on = edit_of(message.edit).applied(labels_of(secret.labels), secret.expires_on)
    except UsageError:
        return
    set_notes(secret, labels, expires_on)
    secret.notes_subject, secret.notes_changed_at_ms = event.actor, event.recorded_at_ms
    yield put_head(head)
    version = views_pb2.SecretVersion(subject=event.actor, recorded_at_ms=event.recorded_at_ms, edit=message.edit)
    yield entry(secret.uri, version, event)

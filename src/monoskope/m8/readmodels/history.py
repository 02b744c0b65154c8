"""The past of each secret: a document for each receipt that told of it and each edit of its notes, newest first.

A document of a receipt names the request; what the receipt says is read from there (`version_of`). An edit of notes is
its document. It asks no store and makes no version. It says what changes, not what is there afterwards, so edits need
not know of one another: the log's order decides (docs/adr/0023-editing-labels.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import NotFoundError, UsageError
from monoskope.m8.domain.events import read
from monoskope.m8.log.event_log import Change, Lookup, Put, RecordedEvent
from monoskope.m8.readmodels.secrets import head_of, put_head, set_notes
from monoskope.m8.readmodels.uploads import end_receipt
from monoskope.protocol.notes import Edit, edit_message, edit_of, labels_of
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


def told_by(body: bytes) -> bytes | None:
    """Return the id of the request whose receipt a document tells of, None for an edit."""
    version = views_pb2.SecretVersion.FromString(body)
    return None if version.HasField("edit") else version.request_id


def version_of(key: str, body: bytes, last: Callable[[bytes], RecordedEvent | None]) -> views_pb2.SecretVersion:
    """Return what a document, given with its key, and the receipt that it tells of say.

    Args:
        key: Of the document.
        body: The document.
        last: Returns the last event of a request, by its id.
    """
    version = views_pb2.SecretVersion.FromString(body)
    version.uri = key.partition("\n")[0]
    if version.HasField("edit"):
        return version
    end = last(version.request_id)
    signed = None if end is None else end_receipt(end)
    assert end is not None, "a request of which a document tells is in the log"
    assert signed is not None, "and it ended with a receipt"
    receipt = parse_receipt(signed.content)
    version.outcome = receipt.outcome
    version.upstream_version = receipt.upstream_version
    version.prior_version = receipt.prior_version
    version.recorded_at_ms = end.recorded_at_ms
    version.fingerprint = receipt.fingerprint
    return version


def entry(uri: str, version: views_pb2.SecretVersion, event: RecordedEvent) -> Put:
    """Return the document that `event` adds to the past of a secret."""
    key = f"{prefix(uri)}{_LAST - event.position:020}"
    return Put(HISTORY, key, version.SerializeToString(deterministic=True))


def project_edit(event: RecordedEvent, lookup: Lookup) -> Iterator[Change]:
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


def update_notes(secret: views_pb2.Secret, edit: Edit) -> events_pb2.SecretNotesUpdated | None:
    """Decide on an edit: None if the notes are so already.

    Raises:
        NotFoundError: the secret was deleted.
        UsageError: there would be too many labels.
    """
    if secret.deleted:
        raise NotFoundError(f"{secret.uri} was deleted.", fix="Put it again; labels and a day can be given then.")
    before = labels_of(secret.labels), secret.expires_on
    if edit.applied(*before) == before:
        return None
    return events_pb2.SecretNotesUpdated(uri=secret.uri, edit=edit_message(edit))

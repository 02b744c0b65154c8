"""Edits of a secret's notes: what may be recorded. Pure.

No store is asked and no version changes. So an edit says what it changes, not what there is afterwards, and edits need
not know of one another: the log's order decides (docs/adr/0023-editing-labels.md).
"""

from __future__ import annotations

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import NotFoundError
from monoskope.protocol.notes import Edit, edit_message, labels_of


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

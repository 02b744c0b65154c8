"""The command that edits what users note about a secret, without a put: no store is asked, and it is m8's word."""

from __future__ import annotations

from monoskope import operating_log
from monoskope.api.gateway.v1 import commands_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.m8.domain.events import notes_stream, write
from monoskope.m8.domain.notes import update_notes
from monoskope.m8.limits.subjects import bytes_with
from monoskope.m8.service import policy
from monoskope.m8.service.app import App, Caller
from monoskope.protocol.notes import edit_of
from monoskope.uri import SecretUri


class NotesCommands:
    """The part of `SecretCommandService` about notes, without a transport."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def update_secret_notes(
        self, message: commands_pb2.UpdateSecretNotesRequest, caller: Caller
    ) -> commands_pb2.UpdateSecretNotesResponse:
        """Record an edit of a secret's notes, unless they are so already; return the secret as it is then.

        Raises:
            UsageError: the URI or the edit is not well formed, or there would be too many labels.
            NotFoundError: there is no receipt for the secret, it was deleted, or it is outside the caller's prefixes.
            RefusedError: the caller may not put it.
            RateLimitedError: the caller may have no more recorded today.
        """
        uri = SecretUri.parse(message.uri)
        operating_log.bind_contextvars(uri=str(uri))
        policy.require_right(caller.principal, events_pb2.RIGHT_PUT, uri)
        edit = edit_of(message.edit)
        known = await self._app.documents.secret(str(uri))
        if known is None:
            raise policy.hidden(str(uri))
        event = update_notes(known, edit)
        if event is not None:
            subject = caller.principal.subject
            async with self._app.quota.used(subject, bytes_with(event)):
                await self._app.log.append(notes_stream(uri), None, [write(event)], actor=subject)
            known = await self._app.documents.secret(str(uri)) or known
        return commands_pb2.UpdateSecretNotesResponse(secret=policy.secret_for(caller.principal, known))

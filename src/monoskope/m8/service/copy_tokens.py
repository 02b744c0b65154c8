"""The token with which the reactor of a COPY's source puts the secret at the destination, on behalf of the user."""

from __future__ import annotations

import hashlib

from monoskope.errors import ConflictError, RefusedError
from monoskope.m8.domain.upload import unknown_request
from monoskope.m8.service.app import App
from monoskope.m8.service.login import Login
from monoskope.protocol.outcomes import State

WITHIN_S = 60
"""How long after STARTED a token is issued, at the latest: the user's rights may change."""


async def authorize(app: App, login: Login, request_id: bytes) -> str:
    """Return a token that may put at the request's destination and nothing else, once for each request.

    Raises:
        NotFoundError: there is no such COPY, or it is another store's.
        RefusedError: another replica gave its grant, or this server issues no tokens.
        ConflictError: it is not in WRITING, has been for too long, or its token was given already.
    """
    upload = await app.aggregates.upload(request_id)
    request, grant = upload.request, upload.grant
    if request is None or request.destination is None or upload.store != login.store:
        raise unknown_request()
    if grant is None or upload.state is not State.WRITING:
        raise ConflictError("the copy is not being made now.", fix="Append STARTED first.")
    if app.clock() - upload.since_ms > WITHIN_S * 1000:
        raise ConflictError("the copy was announced too long ago.", fix="Let its user ask for it again.")
    if grant.replica != login.replica:
        raise RefusedError("another replica makes this copy.", fix="Do nothing; that replica makes the copy.")
    return await app.issuing().issue_for_copy(_token_id(request_id), upload.subject, request.destination)


def _token_id(request_id: bytes) -> str:
    """Return the token's id, one for each request, so that the log refuses a second token."""
    return hashlib.sha256(b"m8/copy-token/v1\x00" + request_id).hexdigest()[:32]

"""The answer to a call that waits for a key, in its own query or together with the request for the key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import identity_pb2, upload_pb2
from monoskope.m8.service.app import App
from monoskope.protocol.events import upload_stream
from monoskope.protocol.upload import State
from monoskope.uri import SecretUri


async def upload_key(
    app: App, request_id: bytes, load: Callable[[], Awaitable[views_pb2.SecretUpload]], *, wait_s: float
) -> queries_pb2.GetSecretUploadKeyResponse:
    """Return the grant as soon as a reactor gave it, or the request's end; after `wait_s` seconds the request's state.

    `load` returns the request as its caller, who may see it, sees it; what it raises is raised.
    """

    async def settled() -> views_pb2.SecretUpload | None:
        # The folded request is at hand; to show it, its whole stream is read.
        known = await app.aggregates.upload(request_id)
        return None if known.state is State.REQUESTED else await load()

    upload = await app.feed.until(upload_stream(request_id), settled, wait_s=wait_s) or await load()
    return queries_pb2.GetSecretUploadKeyResponse(
        state=upload.state,
        grant=upload.grant if upload.HasField("grant") else None,
        rotations=await rotations(app, upload.uri),
        reason=upload.reason,
        receipt=upload.receipt if upload.outcome == upload_pb2.OUTCOME_FAILED else None,
        retry_after_s=upload.retry_after_s,
        detail=upload.detail,
    )


async def rotations(app: App, uri: str) -> list[identity_pb2.SignedRotation]:
    """Return the steps of the identity of the store that `uri` names."""
    store = await app.documents.store(SecretUri.parse(uri).store)
    return [] if store is None else list(store.rotations)

"""The answer to a call that waits for a key, in its own query or together with the request for the key."""

from __future__ import annotations

from collections.abc import Sequence

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import identity_pb2, upload_pb2
from monoskope.m8.log.event_log import RecordedEvent
from monoskope.m8.readmodels.uploads import shown
from monoskope.m8.service.app import App
from monoskope.m8.service.feed import Waker
from monoskope.uri import SecretUri


def settled(upload: views_pb2.SecretUpload) -> views_pb2.SecretUpload | None:
    """Return a request that has a grant or an end, None for one that waits for a key."""
    return None if upload.state == views_pb2.UPLOAD_STATE_REQUESTED else upload


async def new_key(
    app: App, request_id: bytes, waker: Waker, recorded: Sequence[RecordedEvent], *, wait_s: float
) -> queries_pb2.GetSecretUploadKeyResponse:
    """Return the grant of the caller's own request as soon as a reactor gave it, or its end.

    Args:
        app: m8.
        request_id: The request.
        waker: Made before anything was recorded, for all events after the first.
        recorded: The request's first event, nothing if it was recorded before.
        wait_s: Seconds after which the answer is the request's state.
    """

    async def load() -> views_pb2.SecretUpload:
        known = await app.documents.upload(request_id)
        assert known is not None, "the request was recorded"
        return known

    async def ready() -> views_pb2.SecretUpload | None:
        # What the feed passes on is durable, and most often the rest of the stream: then nothing is read.
        told = [*recorded, *waker.events]
        is_whole = [event.version for event in told] == list(range(1, len(told) + 1))
        return settled((shown(told) if is_whole else None) or await load())

    known = await waker.until(ready, wait_s=wait_s, at_once=not recorded)
    return await upload_key(app, known or await load())


async def upload_key(app: App, upload: views_pb2.SecretUpload) -> queries_pb2.GetSecretUploadKeyResponse:
    """Return the grant of a request, its end, or its state, for a caller who may see it."""
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

"""What time, silence and a deactivated store do to a request. The present is an argument: no clock is read here."""

from __future__ import annotations

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.m8.domain.upload import Upload
from monoskope.protocol.upload import State

REQUESTED_S = 60
"""A request that nobody answers ends after so many seconds."""

GRANTED_GRACE_S = 60
"""A grant that nobody uses ends so many seconds after its lifetime."""

ISSUER_GONE_S = 10
"""A replica that was not heard of for so many seconds is gone."""


def overdue(upload: Upload, *, now_ms: int, store_active: bool, issuer_heard_ms: int) -> upload_pb2.Reason:
    """Return why m8 ends the request now, REASON_UNSPECIFIED if it does not.

    Args:
        upload: The request.
        now_ms: The present, milliseconds since 1970.
        store_active: Whether its store takes uploads.
        issuer_heard_ms: When the replica that gave the grant was last heard of; of no meaning before a grant.
    """
    if upload.state not in {State.REQUESTED, State.GRANTED, State.UPLOADING}:
        return upload_pb2.REASON_UNSPECIFIED
    if not store_active:
        return upload_pb2.REASON_STORE_INACTIVE
    if upload.grant is None:
        late = now_ms - upload.since_ms >= REQUESTED_S * 1000
        return upload_pb2.REASON_NO_REACTOR if late else upload_pb2.REASON_UNSPECIFIED
    if now_ms - issuer_heard_ms >= ISSUER_GONE_S * 1000:
        return upload_pb2.REASON_KEY_LOST
    allowed_ms = (upload.grant.lifetime_s + GRANTED_GRACE_S) * 1000
    if upload.state is State.GRANTED and now_ms - upload.since_ms >= allowed_ms:
        return upload_pb2.REASON_EXPIRED
    return upload_pb2.REASON_UNSPECIFIED

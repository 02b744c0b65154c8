"""What time, silence and a deactivated store do to a request. The present is an argument: no clock is read here."""

from __future__ import annotations

from dataclasses import dataclass

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.m8.domain.upload import Upload
from monoskope.protocol.upload import State


@dataclass(frozen=True, slots=True)
class Deadlines:
    """In seconds; the defaults are the protocol's (docs/protocol.md, The walk)."""

    requested_s: float = 60
    """A request that nobody answers ends after so long."""
    granted_grace_s: float = 60
    """A grant that nobody uses ends so long after its lifetime."""
    issuer_gone_s: float = 10
    """A replica that was not heard of for so long is gone."""


def overdue(
    upload: Upload, *, age_ms: float, silent_ms: float, store_active: bool, deadlines: Deadlines
) -> upload_pb2.Reason:
    """Return why m8 ends the request now, REASON_UNSPECIFIED if it does not.

    Args:
        upload: The request.
        age_ms: For how long it has been in its state.
        silent_ms: For how long the replica that gave the grant was not heard; of no meaning before a grant.
        store_active: Whether its store takes uploads.
        deadlines: How long is too long.
    """
    if upload.state not in {State.REQUESTED, State.GRANTED, State.UPLOADING}:
        return upload_pb2.REASON_UNSPECIFIED
    if not store_active:
        return upload_pb2.REASON_STORE_INACTIVE
    if upload.grant is None:
        late = age_ms >= deadlines.requested_s * 1000
        return upload_pb2.REASON_NO_REACTOR if late else upload_pb2.REASON_UNSPECIFIED
    if silent_ms >= deadlines.issuer_gone_s * 1000:
        return upload_pb2.REASON_KEY_LOST
    allowed_ms = (upload.grant.lifetime_s + deadlines.granted_grace_s) * 1000
    if upload.state is State.GRANTED and age_ms >= allowed_ms:
        return upload_pb2.REASON_EXPIRED
    return upload_pb2.REASON_UNSPECIFIED

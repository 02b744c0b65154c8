"""When m8 ends a request without any reactor's word (docs/protocol.md, The walk)."""

from __future__ import annotations

from dataclasses import dataclass

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.m8.domain.upload import Upload
from monoskope.protocol.events import RequestEvent, Step, advance
from monoskope.protocol.outcomes import Author, State


@dataclass(frozen=True, slots=True)
class Deadlines:
    """In seconds; the defaults are the protocol's (docs/protocol.md, The walk)."""

    requested_s: float = 60
    """A request that no reactor answers ends after this time."""
    granted_grace_s: float = 60
    """A grant that is not used ends this long after its lifetime."""
    issuer_gone_s: float = 10
    """A replica that sent no heartbeat for this long is gone."""


def overdue(
    upload: Upload, *, age_ms: float, silent_ms: float, store_active: bool, deadlines: Deadlines
) -> upload_pb2.Reason:
    """Return why m8 ends the request now, REASON_UNSPECIFIED if it does not.

    Args:
        upload: The request.
        age_ms: For how long it has been in its state.
        silent_ms: For how long the replica that gave the grant sent no heartbeat; without meaning before a grant.
        store_active: Whether its store takes uploads.
        deadlines: The limits.
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


def fail_by_m8(upload: Upload, reason: upload_pb2.Reason) -> list[RequestEvent]:
    """Decide to end the request without any reactor's word.

    Raises:
        WrongStepError: it is in WRITING, where m8 cannot know the outcome, or ended, or not begun.
    """
    advance(upload.state, Step.FAILED, Author.M8)
    return [events_pb2.SecretUploadFailed(reason=reason)]

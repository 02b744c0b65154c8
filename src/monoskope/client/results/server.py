"""What m8 says of itself, of the caller and of its log."""

from __future__ import annotations

import datetime as dt
from typing import Self

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.client.results.words import moment
from monoskope.protocol.events import request_id_of
from monoskope.protocol.outcomes import spelled
from monoskope.value import Value


class Event(Value, frozen=True):
    """One event of the log."""

    position: int
    """Its place in the log, from 1."""
    stream: str
    version: int
    """Its place in the stream, from 1."""
    type: str
    """Its name, of those in docs/protocol.md."""
    recorded_at: dt.datetime | None
    actor: str
    """Who caused it."""
    uri: str
    """The secret's URI, for events of a request."""
    request_id: str
    """The request's id, 32 hex digits; "" for other events."""
    detail: str
    """Its content in a few words."""
    record_hash: str
    """Hash of its record, which contains that of the record before it, 64 hex digits."""
    proven: bool
    """Whether it stands in the log as it is pinned. What is newer than the checkpoint, or watched, is m8's word."""

    @classmethod
    def of(cls, view: views_pb2.EventSummary, *, proven: bool) -> Self:
        """Return what a view says."""
        return cls(
            position=view.position,
            stream=view.stream,
            version=view.version,
            type=view.type,
            recorded_at=moment(view.recorded_at_ms),
            actor=view.actor,
            uri=view.uri,
            request_id=(request_id_of(view.stream) or b"").hex(),
            detail=view.detail,
            record_hash=view.hash.hex(),
            proven=proven,
        )


class Server(Value, frozen=True):
    """m8, and who the caller is to it."""

    version: str
    fingerprint_key_id: str
    """"" before the first reactor."""
    subject: str
    role: str
    """"USER", "ADMINISTRATOR" or "AUDITOR"; of several the first of these. `Access.who_am_i` has all."""
    prefixes: tuple[str, ...]
    """Below which URIs the caller may work."""
    rights: frozenset[str]
    """E.g. {"PUT", "SEE_HASH"}."""
    expires_at: dt.datetime | None
    """When the credential expires."""

    @classmethod
    def of(cls, answer: queries_pb2.GetServerResponse) -> Self:
        """Return what an answer says."""
        return cls(
            version=answer.version,
            fingerprint_key_id=answer.fingerprint_key_id,
            subject=answer.subject,
            role=spelled(events_pb2.Role, answer.role),
            prefixes=tuple(answer.prefixes),
            rights=frozenset(spelled(events_pb2.Right, right) for right in answer.rights),
            expires_at=moment(answer.expires_at_ms),
        )

"""Credentials: `tokens/<id>` is the TokenIssued, `token-revocations/<id>` the TokenRevoked. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from monoskope.api.secrets.v1 import events_pb2
from monoskope.m8.log.event_log import Change, Lookup, Put, RecordedEvent

TOKENS = "tokens"
"""Collection: token id -> serialised TokenIssued."""

REVOCATIONS = "token-revocations"
"""Collection: token id -> serialised TokenRevoked, for revoked tokens alone."""


def project(event: RecordedEvent, _lookup: Lookup) -> Iterator[Change]:
    """Yield what `event` changes in the documents about credentials; nothing for all other events."""
    if event.type == "TokenIssued":
        yield Put(TOKENS, events_pb2.TokenIssued.FromString(event.data).id, event.data)
    elif event.type == "TokenRevoked":
        yield Put(REVOCATIONS, events_pb2.TokenRevoked.FromString(event.data).id, event.data)

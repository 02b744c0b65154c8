"""The outline of a record of the log: all that it says but for its data, of which it has the SHA-256.

A record's data can hold hashes of secrets, which not every caller who sees the event may see. So the log's hashes are
of outlines, and who is shown an outline can find its entry in the tree (docs/protocol.md, The witnessed log).
"""

from __future__ import annotations

import hashlib

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.protocol.wire import serialise


def outline(record: event_pb2.Event) -> bytes:
    """Return the serialised outline of a record."""
    return serialise(
        event_pb2.Event(
            position=record.position,
            stream=record.stream,
            version=record.version,
            type=record.type,
            recorded_at_ms=record.recorded_at_ms,
            actor=record.actor,
            previous_hash=record.previous_hash,
            data_sha256=hashlib.sha256(record.data).digest(),
            uri=record.uri,
            detail=record.detail,
        )
    )

"""Which sealed bytes records name. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.message import DecodeError

from monoskope.api.secrets.v1.events_pb2 import SecretUploadRequested
from monoskope.m8.log.event_log import LogTamperedError, RecordedEvent

_KIND = SecretUploadRequested.DESCRIPTOR.name


def named(events: Iterable[RecordedEvent]) -> list[bytes]:
    """Return the SHA-256 of the sealed bytes that `events` name, in their order, each once.

    Raises:
        LogTamperedError: an event cannot be read.
    """
    found: dict[bytes, None] = {}
    for event in events:
        if event.type == _KIND and (digest := _digest(event)):
            found[digest] = None
    return list(found)


def _digest(event: RecordedEvent) -> bytes:
    try:
        return SecretUploadRequested.FromString(event.data).sealed_sha256
    except DecodeError:
        raise LogTamperedError(event.position, "the event in the record cannot be parsed") from None

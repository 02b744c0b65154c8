"""The form of a record and of the chain: the same for every engine. Pure.

Sources: docs/adr/0006-log-format.md, proto/monoskope/api/eventsourcing/v1/event.proto.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.m8.log.event_log import (
    GENESIS_HASH,
    MAX_DATA,
    ExpectedVersionError,
    LogTamperedError,
    NewEvent,
    RecordedEvent,
)
from monoskope.protocol.tlog.merkle import outline

MAX_NAME = 512
"""Bytes in the name of a stream or an actor at most."""

MAX_TYPE = 128
"""Bytes in the name of an event's type at most."""


@dataclass(frozen=True, slots=True)
class Append:
    """Events that are recorded together, as `EventLog.append` is given them."""

    stream: str
    expected_version: int | None
    events: Sequence[NewEvent]
    actor: str
    sealed: bytes | None = field(repr=False)
    given: Mapping[str, int] = field(default_factory=dict)

    @property
    def expected(self) -> Mapping[str, int]:
        """The version that each stream must be at."""
        return self.given if self.expected_version is None else {self.stream: self.expected_version, **self.given}

    @property
    def size(self) -> int:
        """About how many bytes it records."""
        return len(self.sealed or b"") + sum(len(event.data) for event in self.events)

    def check(self) -> None:
        """Raise `ValueError` if it breaks a rule of the format."""
        _check_text("stream", self.stream, MAX_NAME)
        _check_text("actor", self.actor, MAX_NAME)
        if any(version < 0 for version in self.expected.values()):
            raise ValueError("an expected version is 0 or greater, or None.")
        if not self.events:
            raise ValueError("an append takes at least one event.")
        for event in self.events:
            _check_text("type", event.type, MAX_TYPE)
            if len(event.data) > MAX_DATA:
                raise ValueError(f"an event's data is at most {MAX_DATA} bytes.")

    def require(self, versions: Mapping[str, int]) -> None:
        """Raise `ExpectedVersionError` unless each stream is at the version that it must be at."""
        for stream, expected in self.expected.items():
            if (actual := versions[stream]) != expected:
                raise ExpectedVersionError(stream, expected=expected, actual=actual)

    def made(self, position: int, version: int, previous_hash: bytes, *, now_ms: int) -> list[RecordedEvent]:
        """Return its events as they follow that position, that version of the stream, and that hash."""
        made: list[RecordedEvent] = []
        for step, new in enumerate(self.events, start=1):
            event = make(
                new,
                position=position + step,
                stream=self.stream,
                version=version + step,
                recorded_at_ms=now_ms,
                actor=self.actor,
                previous_hash=previous_hash,
            )
            made.append(event)
            previous_hash = event.hash
        return made


def _check_text(name: str, text: str, most: int) -> None:
    """Names must fit into UTF-8 and every engine's text columns, so they have no lone surrogate and no NUL."""
    if not 1 <= len(text.encode("utf-8")) <= most or "\0" in text:
        raise ValueError(f"{name} is 1 to {most} bytes of UTF-8 without NUL.")


def make(
    event: NewEvent, *, position: int, stream: str, version: int, recorded_at_ms: int, actor: str, previous_hash: bytes
) -> RecordedEvent:
    """Serialise an event into its record, which never changes."""
    message = event_pb2.Event(
        position=position,
        stream=stream,
        version=version,
        type=event.type,
        recorded_at_ms=recorded_at_ms,
        actor=actor,
        data=event.data,
        previous_hash=previous_hash,
        uri=event.uri,
        detail=event.detail,
    )
    return _recorded(message, message.SerializeToString(deterministic=True))


def parse(position: int, record: bytes) -> RecordedEvent:
    """Read the record stored at `position`. Raises `LogTamperedError` if it is none, or another one."""
    message = _message(position, record)
    if message.position != position:
        raise LogTamperedError(position, "the record is not the one that belongs here")
    return _recorded(message, record)


def _message(position: int, record: object) -> event_pb2.Event:
    if not isinstance(record, bytes):
        raise LogTamperedError(position, "the record is not bytes")
    try:
        return event_pb2.Event.FromString(record)
    except DecodeError:
        raise LogTamperedError(position, "the record cannot be parsed") from None


def _recorded(message: event_pb2.Event, record: bytes) -> RecordedEvent:
    return RecordedEvent(
        position=message.position,
        stream=message.stream,
        version=message.version,
        type=message.type,
        recorded_at_ms=message.recorded_at_ms,
        actor=message.actor,
        data=message.data,
        previous_hash=message.previous_hash,
        record=record,
        outline=(outlined := outline(message)),
        hash=hashlib.sha256(outlined).digest(),
        uri=message.uri,
        detail=message.detail,
    )


def parse_strictly(position: int, record: bytes) -> RecordedEvent:
    """Parse a record, and check that it is the one deterministic serialisation of its content.

    Raises:
        LogTamperedError: it is not; names `position`.
    """
    message = _message(position, record)
    canonical = event_pb2.Event()
    canonical.CopyFrom(message)
    canonical.DiscardUnknownFields()
    canonical.ClearField("data_sha256")
    if canonical.SerializeToString(deterministic=True) != record:
        raise LogTamperedError(position, "the record is not in the one accepted form")
    return _recorded(message, record)


class Following:
    """Follows a chain of records from some position on. Its memory does not grow with the number of records.

    It does not check versions: an engine compares each with its stream, which it has at hand.

    Args:
        position: The last position that is there, 0 for none.
        last_hash: Its hash, `GENESIS_HASH` for none.
    """

    def __init__(self, position: int, last_hash: bytes) -> None:
        self.position = position
        self.hash = last_hash

    def take(self, body: bytes) -> RecordedEvent:
        """Return the next record as an event.

        Raises:
            LogTamperedError: it does not follow the one before it, or has another form.
        """
        position = self.position + 1
        event = parse_strictly(position, body)
        if event.position != position:
            raise LogTamperedError(position, "the record is not the one that belongs here")
        if event.previous_hash != self.hash:
            raise LogTamperedError(position, "the record does not name the hash of the one before it")
        self.position, self.hash = position, event.hash
        return event


def of_stream(event: RecordedEvent, stream: str) -> RecordedEvent:
    """Return an event that the engine keeps in `stream`. Raises `LogTamperedError` if it is another stream's."""
    if event.stream != stream:
        raise LogTamperedError(event.position, "the record is not the one that belongs here")
    return event


def check_version(event: RecordedEvent, before: int) -> None:
    """Raise `LogTamperedError` unless an event has the next version of its stream, which is at `before`."""
    if event.version != before + 1:
        raise LogTamperedError(event.position, "its stream misses a version")


class Chain(Following):
    """Checks a log from its first record on and finds the first error. Keeps one number for each stream in memory."""

    def __init__(self) -> None:
        super().__init__(0, GENESIS_HASH)
        self._versions: dict[str, int] = {}

    def follow(self, columns: tuple[object, object, object, object], record: bytes) -> None:
        """Take the next row: `columns` are position, stream, version and hash as the engine keeps them apart.

        Raises:
            LogTamperedError: names the position that does not hold.
        """
        expected = self.position + 1
        if columns[0] != expected:
            raise LogTamperedError(expected, "the record is missing")
        event = self.take(record)
        if columns[3] != event.hash:
            raise LogTamperedError(expected, "the record does not match its hash")
        if columns[1:3] != (event.stream, event.version):
            raise LogTamperedError(expected, "the record is not the one that belongs here")
        check_version(event, self._versions.get(event.stream, 0))
        self._versions[event.stream] = event.version

    def finish(self, position: object, last_hash: object) -> None:
        """Compare with the head that the engine stores separately, so that a log which lost its end is noticed.

        Raises:
            LogTamperedError: names the first missing position, or the last one.
        """
        if (position, last_hash) == (self.position, self.hash):
            return
        if isinstance(position, int) and position > self.position:
            raise LogTamperedError(self.position + 1, "the record is missing")
        raise LogTamperedError(max(self.position, 1), "the last record is not the one last written")


def genesis() -> Following:
    """Return what follows a chain from its first record on."""
    return Following(0, GENESIS_HASH)

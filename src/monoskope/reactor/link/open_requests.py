"""The unfinished requests of this store, as m8's events tell them: to be acted on with care, none of it is proof."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError, Message

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.protocol.grant import Grant
from monoskope.protocol.request import REQUEST_ID_BYTES
from monoskope.protocol.upload import State

PREFIX = "upload/"


@dataclass(slots=True)
class Open:
    """One request that has not ended."""

    request_id: bytes
    version: int = 0
    """The stream's version."""
    state: State = State.NEW
    request: bytes = field(default=b"", repr=False)
    subject: str = ""
    receipts: list[upload_pb2.Signed] = field(default_factory=list, repr=False)
    """What m8 says are the newest receipts for the URI."""
    grant: upload_pb2.Signed | None = field(default=None, repr=False)
    verified: tuple[upload_pb2.Signed, Grant | None] | None = field(default=None, repr=False)
    """The grant that was verified, and what came of it: once, however often it is looked at."""
    sealed_sha256: bytes = b""
    sealed: bytes = field(default=b"", repr=False)
    """Encapsulated key || ciphertext, until it is taken to be opened."""
    started: upload_pb2.Signed | None = field(default=None, repr=False)
    started_seen: float = 0.0
    """Monotonic seconds when STARTED was first seen."""
    arrived: float = 0.0
    """Monotonic seconds when the sealed bytes came, or before that the request."""
    idle_since: float | None = None
    """Monotonic seconds since when it is ours, without a key and without anybody at work on it."""
    _learned: int = 0

    def news(self) -> list[upload_pb2.Signed]:
        """Return the receipts that came since this was last asked."""
        new, self._learned = self.receipts[self._learned :], len(self.receipts)
        return new

    def take_sealed(self) -> bytes:
        """Return the sealed bytes and keep them no longer."""
        sealed, self.sealed = self.sealed, b""
        return sealed


class OpenRequests:
    """All of them, by request id."""

    def __init__(self) -> None:
        self._open: dict[bytes, Open] = {}
        self._awaited: dict[bytes, asyncio.Event] = {}

    def __iter__(self) -> Iterator[Open]:
        return iter(list(self._open.values()))

    def __len__(self) -> int:
        return len(self._open)

    def get(self, request_id: bytes) -> Open | None:
        """Return the request, None if it has ended or is not known."""
        return self._open.get(request_id)

    def apply(self, event: event_pb2.Event, sealed: bytes, *, now: float) -> Open | None:
        """Take in one event of an upload's stream, and return the request; one that was told before changes nothing.

        Returns None if it is no event of an upload.
        """
        request_id, message = request_id_of(event.stream), _message(event)
        if request_id is None or message is None:
            return None
        request = self._open.get(request_id) or Open(request_id)
        if event.version > request.version:
            request.version = event.version
            _evolve(request, message, now)
        if isinstance(message, events_pb2.SecretUploadRequested) and request.state is State.UPLOADING:
            request.sealed = request.sealed or sealed
        if request.state is State.ENDED:
            self._open.pop(request_id, None)
        else:
            self._open[request_id] = request
        self._tell(request_id)
        return request

    def appended(self, request_id: bytes, version: int, event: Message, *, now: float) -> None:
        """Take in an event of our own that m8 recorded as `version`; it may come after those that follow it."""
        request = self._open.get(request_id)
        if request is None:
            return
        if version > request.version:
            request.version = version
            _evolve(request, event, now)
        elif request.grant is None and isinstance(event, events_pb2.SecretUploadKeyProvided):
            request.grant = event.grant
        if request.state is State.ENDED:
            self._open.pop(request_id)
        self._tell(request_id)

    async def moved(self, request_id: bytes, version: int, *, within: float) -> Open | None:
        """Return the request once its stream is beyond `version`; None if it has ended, or not moved `within` seconds.

        An answer of m8's may overtake the delivery of the event that it is about.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while (request := self._open.get(request_id)) is not None and request.version <= version:
                    await self._awaited.setdefault(request_id, asyncio.Event()).wait()
                return request
        return None

    def ended(self, request_id: bytes) -> None:
        """m8 took what ends the request; its event is on the way."""
        self._open.pop(request_id, None)
        self._tell(request_id)

    def keep_only(self, request_ids: set[bytes]) -> list[Open]:
        """Forget the requests that are not among `request_ids`, and return those forgotten."""
        gone = [request for key, request in self._open.items() if key not in request_ids]
        for request in gone:
            self.ended(request.request_id)
        return gone

    def _tell(self, request_id: bytes) -> None:
        awaited = self._awaited.pop(request_id, None)
        if awaited is not None:
            awaited.set()


def request_id_of(stream: str) -> bytes | None:
    """Return the request id in `upload/<32 hex>`, None for another stream."""
    try:
        request_id = bytes.fromhex(stream.removeprefix(PREFIX)) if stream.startswith(PREFIX) else b""
    except ValueError:
        return None
    return request_id if len(request_id) == REQUEST_ID_BYTES else None


_KINDS: dict[str, type[Message]] = {
    kind.__name__: kind
    for kind in (
        events_pb2.SecretUploadKeyRequested,
        events_pb2.SecretUploadKeyProvided,
        events_pb2.SecretUploadRequested,
        events_pb2.SecretUploadStarted,
        events_pb2.SecretUploaded,
        events_pb2.SecretCompared,
        events_pb2.SecretDeleted,
        events_pb2.SecretVerified,
        events_pb2.SecretDriftDetected,
        events_pb2.SecretImported,
        events_pb2.SecretCopied,
        events_pb2.SecretUploadFailed,
    )
}


def _message(event: event_pb2.Event) -> Message | None:
    kind = _KINDS.get(event.type)
    if kind is None:
        return None
    try:
        return kind.FromString(event.data)
    except DecodeError:
        return None


def _evolve(request: Open, message: Message, now: float) -> None:
    match message:
        case events_pb2.SecretUploadKeyRequested():
            request.state, request.request, request.subject = State.REQUESTED, message.request, message.subject
            request.arrived = now
            _learn(request, message)
        case events_pb2.SecretUploadKeyProvided():
            request.state, request.grant = State.GRANTED, message.grant
        case events_pb2.SecretUploadRequested():
            request.state, request.sealed_sha256 = State.UPLOADING, message.sealed_sha256
            request.arrived = now
            _learn(request, message)
        case events_pb2.SecretUploadStarted():
            request.state, request.started, request.started_seen = State.WRITING, message.receipt, now
        case events_pb2.SecretUploaded() | events_pb2.SecretImported():
            request.state = State.ENDED
            request.receipts.append(message.receipt)
        case _:
            request.state = State.ENDED


def _learn(request: Open, message: events_pb2.SecretUploadKeyRequested | events_pb2.SecretUploadRequested) -> None:
    if message.HasField("last_receipt"):
        request.receipts.append(message.last_receipt)

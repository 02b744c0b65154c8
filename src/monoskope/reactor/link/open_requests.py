"""The unfinished requests of this store, as m8's events tell them: to be acted on with care, none of it is proof."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError, Message

from monoskope import operating_log
from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.protocol.events import EVENTS, RequestEvent, follow, request_id_of, steps_of
from monoskope.protocol.grant import MAX_APPROVALS, Grant
from monoskope.protocol.outcomes import State
from monoskope.reactor.signers.approvals import NOTHING_PRESENTED, Presented
from monoskope.traces import spans

MAX_EVENT = 262_144
"""Bytes of one event at most: an honest m8 takes none that needs more. A larger one changes no request."""

MOST_HELD = 64 * 1_048_576
"""Bytes of the unfinished requests of which m8 tells, at most: those of some 10,000 as they usually are.

What m8 tells beyond that is not held, and so not acted on: another replica may, or m8 ends it. The system would end a
reactor that has no memory left, and with it the counts of guesses."""

EACH = 4_096
"""What a request counts for besides its events."""


@dataclass(slots=True)
class OpenRequest:
    """One request that has not ended."""

    request_id: bytes
    version: int = 0
    """The stream's version."""
    state: State = State.NEW
    request: bytes = field(default=b"", repr=False)
    subject: str = ""
    traceparent: str = ""
    """Of the user's call that the last event came from, "" for none: a hint for traces."""
    receipt: upload_pb2.Signed | None = field(default=None, repr=False)
    """What m8 says is the newest receipt for the URI."""
    grant: upload_pb2.Signed | None = field(default=None, repr=False)
    verified: tuple[upload_pb2.Signed, Grant | None] | None = field(default=None, repr=False)
    """The grant that was checked last, with the result, None if it proves nothing. No grant is checked twice."""
    sealed_sha256: bytes = b""
    sealed: bytes = field(default=b"", repr=False)
    """Encapsulated key || ciphertext, until it is taken to be opened."""
    is_crowded: bool = False
    """Whether its sealed bytes came, and there was no room for them."""
    signature: bytes = field(default=b"", repr=False)
    """The user's signature, as m8's event has it; b"" for none. It proves nothing before it is verified."""
    presented: Presented = field(default=NOTHING_PRESENTED, repr=False)
    """The change and its approvals, as that event has them."""
    started: upload_pb2.Signed | None = field(default=None, repr=False)
    started_seen: float = 0.0
    """Monotonic seconds when STARTED was first seen."""
    arrived: float = 0.0
    """Monotonic seconds when the sealed bytes came, or before that the request."""
    idle_since: float | None = None
    """Monotonic seconds since when it has this replica's grant, but neither a key nor a task in this process."""
    size: int = EACH
    """Bytes of the events that it holds, and what it takes besides."""
    counted: int = 0
    """As much of that as is counted (`MOST_HELD`)."""
    _news: list[upload_pb2.Signed] = field(default_factory=list, repr=False)

    def learn(self, receipt: upload_pb2.Signed) -> None:
        """Take in a receipt that m8 delivered."""
        self.receipt = receipt
        self._news.append(receipt)

    def news(self) -> list[upload_pb2.Signed]:
        """Return the receipts that came since this was last asked."""
        new, self._news = self._news, []
        return new

    def take_sealed(self) -> bytes:
        """Return the sealed bytes and keep them no longer."""
        sealed, self.sealed = self.sealed, b""
        return sealed


class OpenRequests:
    """All of them, by request id."""

    def __init__(self) -> None:
        self._open: dict[bytes, OpenRequest] = {}
        self._awaited: dict[bytes, asyncio.Event] = {}
        self._held = 0
        self._is_full = False

    def __iter__(self) -> Iterator[OpenRequest]:
        return iter(list(self._open.values()))

    def __len__(self) -> int:
        return len(self._open)

    def get(self, request_id: bytes) -> OpenRequest | None:
        """Return the request, None if it has ended or is not known."""
        return self._open.get(request_id)

    def apply(self, event: event_pb2.Event, sealed: bytes, *, now: float) -> OpenRequest | None:
        """Take in one event of a request's stream, and return the request; one taken in before changes nothing.

        Returns None for what changes no request: another stream, an unknown type, an event that cannot follow. It only
        counts, if its request is known.
        """
        request_id = request_id_of(event.stream)
        if request_id is None:
            return None
        request, message = self._open.get(request_id), _message(event)
        taken = request or OpenRequest(request_id)
        size = taken.size
        known_before = request is not None and event.version <= request.version
        if message is None or not (known_before or _evolve(taken, message, event.version, now)):
            self._pass_over(request, event.version)
            return None
        if isinstance(message, events_pb2.SecretUploadRequested) and taken.state is State.UPLOADING:
            taken.sealed = taken.sealed or sealed
        if not known_before:
            taken.size = size + len(event.data)
        return taken if self._keep(taken) else None

    def appended(self, request_id: bytes, version: int, event: Message, *, now: float) -> None:
        """Take in an event of our own that m8 recorded as `version`; it may come after those that follow it."""
        request = self._open.get(request_id)
        if request is None:
            return
        if version > request.version:
            if not _evolve(request, event, version, now):
                self._pass_over(request, version)
                return
        elif request.grant is None and isinstance(event, events_pb2.SecretUploadKeyProvided):
            request.grant = event.grant
        request.size += event.ByteSize()
        self._keep(request)

    def _pass_over(self, request: OpenRequest | None, version: int) -> None:
        if request is not None:
            request.version = max(request.version, version)
            self._tell(request.request_id)

    def _keep(self, request: OpenRequest) -> bool:
        """Hold `request`, if there is room for it and it has not ended; return whether it may be acted on.

        The last half of the room is for requests that are held already: they grow until they end.
        """
        most = MOST_HELD if request.request_id in self._open else MOST_HELD // 2
        held = self._held - request.counted + request.size
        if request.state is not State.ENDED:
            self._note_full(is_full=held > most)
        if request.state is State.ENDED or held > most:
            self._drop(request.request_id)
        else:
            self._open[request.request_id] = request
            self._held, request.counted = held, request.size
        self._tell(request.request_id)
        return request.state is State.ENDED or held <= most

    def _note_full(self, *, is_full: bool) -> None:
        """Say once that there is no room, until half of it is free again."""
        if is_full and not self._is_full:
            operating_log.get().warning(
                "too many unfinished requests",
                message=f"m8 tells of more unfinished requests than the {len(self._open):,} for which there is room.",
                fix="Look at PENDING in: monoctl get secret-stores . m8 ends what is not continued for some minutes.",
            )
        self._is_full = is_full or (self._is_full and self._held > MOST_HELD // 4)

    def _drop(self, request_id: bytes) -> None:
        request = self._open.pop(request_id, None)
        if request is not None:
            self._held -= request.counted

    async def moved(self, request_id: bytes, version: int, *, within: float) -> OpenRequest | None:
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
        self._drop(request_id)
        self._tell(request_id)

    def keep_only(self, request_ids: set[bytes]) -> list[OpenRequest]:
        """Forget the requests that are not among `request_ids`, and return those forgotten."""
        gone = [request for key, request in self._open.items() if key not in request_ids]
        for request in gone:
            self.ended(request.request_id)
        return gone

    def _tell(self, request_id: bytes) -> None:
        awaited = self._awaited.pop(request_id, None)
        if awaited is not None:
            awaited.set()


def _message(event: event_pb2.Event) -> RequestEvent | None:
    kind = EVENTS.get(event.type)
    if kind is None or len(event.data) > MAX_EVENT:
        return None
    try:
        return kind.FromString(event.data)
    except DecodeError:
        return None


def _evolve(request: OpenRequest, message: Message, version: int, now: float) -> bool:
    """Change `request` by a recorded event; return False, and change nothing, if the event cannot follow.

    m8 delivers only the end of a request that ended while we were logging in.
    """
    state = follow(request.state, message, version=version, seen=request.version)
    if request.state is State.NEW and any(step.leads_to is State.ENDED for step in steps_of(message)):
        state = State.ENDED
    if state is None:
        return False
    request.state, request.version = state, version
    match message:
        case events_pb2.SecretUploadKeyRequested():
            request.request, request.subject, request.arrived = message.request, message.subject, now
            request.traceparent = spans.valid(message.traceparent)
            _learn(request, message)
        case events_pb2.SecretUploadKeyProvided():
            request.grant = message.grant
        case events_pb2.SecretUploadRequested():
            request.sealed_sha256, request.arrived = message.sealed_sha256, now
            request.signature = message.request_signature
            # One too many is refused as such. m8 can tell of more, and each would take memory that nobody counts.
            request.presented = Presented(message.change, tuple(message.approvals[: MAX_APPROVALS + 1]))
            request.traceparent = spans.valid(message.traceparent)
            _learn(request, message)
        case events_pb2.SecretUploadStarted():
            request.started, request.started_seen = message.receipt, now
        case (
            events_pb2.SecretUploaded()
            | events_pb2.SecretImported()
            | events_pb2.SecretUndeleted()
            | events_pb2.SecretRolledBack()
        ):
            request.learn(message.receipt)
        case _:
            pass
    return True


def _learn(
    request: OpenRequest, message: events_pb2.SecretUploadKeyRequested | events_pb2.SecretUploadRequested
) -> None:
    if message.HasField("last_receipt"):
        request.learn(message.last_receipt)

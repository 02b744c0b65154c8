"""What passes a hostile m8, parsed as far as its rules ask about it, and the rules: what is done with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from google.protobuf.message import Message

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import (
    access_pb2,
    changes_pb2,
    commands_pb2,
    log_pb2,
    queries_pb2,
    reactor_pb2,
    views_pb2,
)
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.events import request_id_of

if TYPE_CHECKING:
    from tests.support.hostile_session import Session


@dataclass(frozen=True, slots=True)
class Method:
    name: str
    """For example "RequestUploadSecret"."""
    request: type[Message]
    response: type[Message]
    streams: bool
    """Whether it answers with a stream."""


METHODS = {
    f"/{service.full_name}/{method.name}": Method(
        method.name,
        getattr(module, method.input_type.name),
        getattr(module, method.output_type.name),
        method.server_streaming,
    )
    for module in (commands_pb2, queries_pb2, access_pb2, changes_pb2, log_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
"""Everything that clients call, by its path on the wire."""

ATTACH = f"/{reactor_pb2.DESCRIPTOR.services_by_name['ReactorService'].full_name}/Attach"


class Way(Enum):
    """Which way a message of a reactor's stream goes."""

    TO_M8 = "to m8"
    TO_REACTOR = "to the reactor"


@dataclass(slots=True)
class Call:
    path: str
    content: bytes = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    """What is passed on of its headers: the token, and how long its caller waits for the answer."""
    request_id: bytes = b""
    request: upload_pb2.UploadRequest | None = None
    """The upload that it is about, if the proxy saw its first call."""

    @property
    def method(self) -> Method:
        return METHODS[self.path]

    @property
    def name(self) -> str:
        return self.method.name

    @property
    def message(self) -> Message:
        return self.method.request.FromString(self.content)


@dataclass(slots=True)
class Passing:
    session: Session = field(repr=False)
    way: Way
    content: bytes = field(repr=False)
    kind: str
    """An event's type, as "SecretUploadStarted", if it is appended or delivered; else the message's own name."""
    request_id: bytes = b""
    request: upload_pb2.UploadRequest | None = None
    answers: str = ""
    """With "Appended": the type of the event that it is the answer to."""

    def to_m8(self) -> reactor_pb2.AttachRequest:
        return reactor_pb2.AttachRequest.FromString(self.content)

    def to_reactor(self) -> reactor_pb2.AttachResponse:
        return reactor_pb2.AttachResponse.FromString(self.content)

    def go(self, content: Message | bytes | None = None) -> None:
        """Let it pass, as it is or changed; as often as this is called."""
        self.session.send(self.way, self.content if content is None else content)


@dataclass(frozen=True, slots=True)
class Which:
    """What a rule is about; empty fields match everything."""

    name: str
    """A method's name, or the kind of a message."""
    of: str = ""
    """The URI of the secret."""
    purpose: upload_pb2.Purpose | None = None
    way: Way | None = None
    """For messages of a stream."""
    answers: str = ""
    session: Session | None = None
    when: Callable[[Call | Passing], bool] | None = None

    def fits(self, one: Call | Passing) -> bool:
        if isinstance(one, Passing):
            here = self.way is one.way and self.name == one.kind and self.answers in {"", one.answers}
            here = here and self.session in {None, one.session}
        else:
            here = self.way is None and self.name == one.name
        uri = one.request.uri if one.request is not None else ""
        if not here or self.of not in {"", uri}:
            return False
        if self.purpose is not None and (one.request is None or one.request.purpose != self.purpose):
            return False
        return self.when is None or self.when(one)


def read_append(content: bytes) -> tuple[str, bytes, int]:
    """Return what a reactor says: its kind, the request that it is about and the call's number."""
    message = reactor_pb2.AttachRequest.FromString(content)
    match message.WhichOneof("message"):
        case "append":
            event = message.append.WhichOneof("event")
            kind = getattr(message.append, event).DESCRIPTOR.name if event else "AppendEvent"
            return kind, message.append.request_id, message.append.call
        case "authorize_copy":
            return "AuthorizeCopy", message.authorize_copy.request_id, message.authorize_copy.call
        case None:
            return "", b"", 0
        case name:
            return getattr(message, name).DESCRIPTOR.name, b"", 0


def read_answer(content: bytes) -> tuple[str, bytes, int]:
    """Return what m8 says to a reactor: its kind, the request that it is about and the call that it answers."""
    message = reactor_pb2.AttachResponse.FromString(content)
    match message.WhichOneof("message"):
        case "delivery":
            event = event_pb2.Event.FromString(message.delivery.record)
            return event.type, request_id_of(event.stream) or b"", 0
        case "appended":
            return "Appended", b"", message.appended.call
        case "copy_authorized":
            return "CopyAuthorized", b"", message.copy_authorized.call
        case "challenge" | None:
            return "challenge", b"", 0
        case name:
            return getattr(message, name).DESCRIPTOR.name, b"", 0


DEADLINE_S = 30.0
"""For everything that a test waits for."""

One = TypeVar("One", bound=Call | Passing)
Answer = Message | bytes | Callable[[Call], Message | bytes]


@dataclass(eq=False)
class Rule(Generic[One]):
    """One thing to look out for, and what is done with it.

    Attributes:
        times: How many more it takes; None for all.
    """

    which: Which
    act: Callable[[One, Rule[One]], Any]
    times: int | None = 1
    taken: list[One] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, one: One) -> bool:
        """Whether it is for this rule; counts it."""
        if self.times == 0 or not self.which.fits(one):
            return False
        if self.times is not None:
            self.times -= 1
        self.taken.append(one)
        self._news.set()
        return True

    async def arrived(self, count: int = 1) -> One:
        """Wait until it took `count`, and return the last of them. Raises `TimeoutError`."""
        async with asyncio.timeout(DEADLINE_S):
            while len(self.taken) < count:
                self._news.clear()
                await self._news.wait()
        return self.taken[count - 1]

    def release(self) -> None:
        """Let go what is held, and whatever this rule takes from now on."""
        self._released.set()

    async def released(self) -> None:
        """Wait until it is released: what `act` does that holds something."""
        await self._released.wait()

    def disarm(self) -> None:
        """Take nothing more; what is held stays held."""
        self.times = 0


class Rules(Generic[One]):
    """All that a hostile m8 looks out for. The first rule that takes something is the only one."""

    def __init__(self) -> None:
        self._rules: list[Rule[One]] = []

    def add(self, which: Which, act: Callable[[One, Rule[One]], Any], *, times: int | None = 1) -> Rule[One]:
        """Look out for something from now on."""
        rule = Rule(which, act, times)
        self._rules.append(rule)
        return rule

    def find(self, one: One) -> Rule[One] | None:
        return next((rule for rule in self._rules if rule.take(one)), None)

    @property
    def untaken(self) -> bool:
        """Whether there are rules, and none of them took anything."""
        return bool(self._rules) and not any(rule.taken for rule in self._rules)

    def clear(self) -> None:
        """Be honest again: let go what is held, and look out for nothing."""
        for rule in self._rules:
            rule.disarm()
            rule.release()
        self._rules.clear()


def as_bytes(answer: Answer, call: Call) -> bytes:
    made = answer(call) if callable(answer) else answer
    return made if isinstance(made, bytes) else made.SerializeToString(deterministic=True)


def unsigned_end(reason: upload_pb2.Reason) -> Callable[[Call], Message]:
    """Say that a request has ended for `reason`, without a receipt: as an m8 does whose reactor is gone.

    Answers RequestUploadSecret, GetSecretUpload and, for a request without a key, GetSecretUploadKey.
    """

    def answer(call: Call) -> Message:
        ended = views_pb2.UPLOAD_STATE_ENDED
        if call.name == "GetSecretUploadKey":
            return queries_pb2.GetSecretUploadKeyResponse(state=ended, reason=reason)
        known = call.request or upload_pb2.UploadRequest()
        upload = views_pb2.SecretUpload(
            request_id=call.request_id, uri=known.uri, purpose=known.purpose, state=ended, reason=reason
        )
        if call.name == "GetSecretUpload":
            return queries_pb2.GetSecretUploadResponse(upload=upload)
        return commands_pb2.RequestUploadSecretResponse(upload=upload)

    return answer


async def within(what: Awaitable[Any], *, seconds: float = DEADLINE_S) -> Any:
    async with asyncio.timeout(seconds):
        return await what

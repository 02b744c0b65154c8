"""What passes a hostile m8, parsed as far as its rules ask about it: calls, and messages of reactors' streams."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from google.protobuf.message import Message

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import access_pb2, commands_pb2, log_pb2, queries_pb2, reactor_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.events import request_id_of
from tests.support.http_calls import Headers

if TYPE_CHECKING:
    from tests.support.hostile_session import Session


@dataclass(frozen=True, slots=True)
class Method:
    """A method of m8's, as it is called on the wire."""

    name: str
    """For example "RequestUploadSecret"."""
    request: type[Message]
    response: type[Message]
    streams: bool
    """Whether it answers with a stream."""


def _methods() -> dict[str, Method]:
    found = {}
    for module, service in (
        (commands_pb2, "SecretCommandService"),
        (queries_pb2, "SecretQueryService"),
        (access_pb2, "AccessService"),
        (log_pb2, "LogService"),
    ):
        described = module.DESCRIPTOR.services_by_name[service]
        for method in described.methods:
            request, response = getattr(module, method.input_type.name), getattr(module, method.output_type.name)
            found[f"/{described.full_name}/{method.name}"] = Method(
                method.name, request, response, method.server_streaming
            )
    return found


METHODS = _methods()
"""Everything that clients call, by its path on the wire."""

ATTACH = f"/{reactor_pb2.DESCRIPTOR.services_by_name['ReactorService'].full_name}/Attach"


class Way(Enum):
    """Which way a message of a reactor's stream goes."""

    TO_M8 = "to m8"
    TO_REACTOR = "to the reactor"


@dataclass(slots=True)
class Call:
    """One call of a client's."""

    path: str
    content: bytes = field(repr=False)
    headers: Headers = field(repr=False)
    time_s: float | None
    """How long its caller waits for the answer."""
    request_id: bytes = b""
    request: upload_pb2.UploadRequest | None = None
    """The upload that it is about, if the proxy saw its first call."""

    @property
    def method(self) -> Method:
        """The method that is called."""
        return METHODS[self.path]

    @property
    def name(self) -> str:
        """The method's name, e.g. "RequestUploadSecret"."""
        return self.method.name

    @property
    def message(self) -> Message:
        """The call's message, parsed."""
        return self.method.request.FromString(self.content)


@dataclass(slots=True)
class Passing:
    """One message of a reactor's stream."""

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
        """The message parsed, if it goes to m8."""
        return reactor_pb2.AttachRequest.FromString(self.content)

    def to_reactor(self) -> reactor_pb2.AttachResponse:
        """The message parsed, if it goes to the reactor."""
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
        """Whether `one` is meant."""
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

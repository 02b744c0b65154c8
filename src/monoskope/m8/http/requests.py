"""A call of m8's API, as HTTP carries it: what its head says, its messages (JSON or protobuf), its answer or stream.

Web pages may call from the origins of the setting `origins`, and no others (CORS, the Fetch standard).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
import struct
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message

from monoskope.errors import Error, UsageError
from monoskope.http.messages import Body, Head, Response, Send, Streamed
from monoskope.m8 import calls
from monoskope.m8.calls import Arrival, Ended
from monoskope.m8.http import refused, strict_json
from monoskope.m8.http.refused import Headers, OverdueError, encoded, to_json
from monoskope.m8.methods import Kind, Method
from monoskope.m8.service import policy
from monoskope.m8.service.app import App
from monoskope.traces import spans
from monoskope.value import Unshared

_ENVELOPE = struct.Struct("!BI")
"""What stands before each message of a stream: its flags, and how many bytes it has."""

_COMPRESSED, _END_STREAM = 0x01, 0x02

JSON_ROOM = 4_096
"""Bytes for the names and the punctuation of a message in JSON; its bytes take a third more there, as base64."""


class Codec(Enum):
    """How messages are written."""

    PROTO = "proto"
    JSON = "json"

    def content_type(self, kind: Kind) -> str:
        """Return the content type of a call's messages."""
        return f"application/{'connect+' if kind is Kind.STREAMING else ''}{self.value}"

    def most_body(self, method: Method) -> int:
        """Return how many bytes the body of a request of `method` may have."""
        most = method.most_request if self is Codec.PROTO else method.most_request * 4 // 3 + JSON_ROOM
        return most + _ENVELOPE.size if method.kind is Kind.STREAMING else most

    def read(self, method: Method, body: bytes) -> Message:
        """Return the request in `body`. Raises `UsageError` that names what is wrong, and no value."""
        return strict_json.read(method.request, body) if self is Codec.JSON else calls.message_of(method.request, body)

    def written(self, message: Message) -> bytes:
        """Return `message` as this codec writes it."""
        if self is Codec.PROTO:
            return message.SerializeToString()
        return encoded(json_format.MessageToDict(message))


def codec_of(head: Head, kind: Kind) -> Codec | None:
    """Return how the body of a request is written, None if its content type is none of the method's."""
    return {codec.content_type(kind): codec for codec in Codec}.get(head.media_type)


def enveloped(message: bytes) -> bytes:
    """Return a message of a stream, as it is sent."""
    return _ENVELOPE.pack(0, len(message)) + message


class _Same:
    """A message that equals itself alone: to compare two by content would take as long as to write one."""

    def __init__(self, message: Message) -> None:
        self.message = message

    def __hash__(self) -> int:
        return id(self.message)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.message is other.message


@functools.lru_cache(maxsize=100)
def _piece(codec: Codec, same: _Same) -> bytes:
    """Return a message of a stream, as it is sent: all watchers of an event are sent one message, written once."""
    return enveloped(codec.written(same.message))


def end_of_stream(error: Error | None) -> bytes:
    """Return the last message of a stream, which says how it ended."""
    said = encoded({} if error is None else {"error": to_json(error)})
    return _ENVELOPE.pack(_END_STREAM, len(said)) + said


def only_message(body: bytes) -> bytes:
    """Return the one message of a request to a streaming method. Raises `UsageError` if there is not exactly one."""
    flags, length = _ENVELOPE.unpack_from(body) if len(body) >= _ENVELOPE.size else (0, None)
    if flags & _COMPRESSED:
        raise UsageError("the message is compressed, which m8 does not take.", fix="Send it without compression.")
    if flags or length != len(body) - _ENVELOPE.size:
        fix = "Send a byte 0, four bytes of length, and the message."
        raise UsageError("the body is not exactly one message of a stream.", fix=fix)
    return body[_ENVELOPE.size :]


T = TypeVar("T")

_TIMEOUT = re.compile(r"[0-9]{1,10}", re.ASCII)


def arrival(head: Head, deadline: float | None = None) -> Arrival:
    """Return what HTTP knows of a call besides its messages. `deadline` is by the event loop's clock."""
    return Arrival(
        peer=head.peer,
        authorization=head.header("authorization"),
        client_request_id=head.header("x-request-id"),
        traceparent=head.header(spans.KEY),
        remaining_s=None if deadline is None else deadline - asyncio.get_running_loop().time(),
    )


def deadline_of(head: Head) -> float | None:
    """Return when the caller stops waiting, by the event loop's clock, None if it does not say so.

    Raises:
        UsageError: `Connect-Timeout-Ms` is not a number of at most ten digits, or came twice.
    """
    if not any(name == "connect-timeout-ms" for name, _ in head.headers):
        return None
    text = head.header("connect-timeout-ms")
    if _TIMEOUT.fullmatch(text) is None:
        raise UsageError("Connect-Timeout-Ms: must be at most ten digits.", fix="Send milliseconds, for example 5000.")
    return asyncio.get_running_loop().time() + int(text) / 1000


@dataclass(slots=True, repr=False)
class Call(Unshared):
    """A call whose body may be read (`http.messages.Accepted`).

    Attributes:
        app: What answers it.
        method: Of the table.
        codec: How its messages are written.
        head: Of its request. It holds the token.
        deadline: When its caller stops waiting, by the event loop's clock.
        headers: Belong to its answer, whatever that is.
        most_body: How many bytes its body may have.
    """

    app: App
    method: Method
    codec: Codec
    head: Head
    deadline: float | None
    headers: Headers
    most_body: int

    def __repr__(self) -> str:
        return f"<Call of {self.method.name}>"

    async def answer(self, body: Body) -> Response | Streamed:
        """Do what is asked for, and return what came of it. The body is read once the caller has the right to ask."""
        headers = (("Content-Type", self.codec.content_type(self.method.kind)), *self.headers)
        if self.method.kind is Kind.STREAMING:
            # In a stream an error has no status of its own: Connect tells it in the last message.
            return Streamed(200, headers, functools.partial(self._write, await body()))
        ended = await self._unary(body)
        if ended.answer is None:
            return refused.response(ended.failure, self.headers)
        return Response(200, headers, ended.answer)

    async def _unary(self, body: Body) -> Ended[bytes]:
        arrived = self._arrival()

        async def work() -> bytes:
            async with calls.admitted(self.app, self.method, arrived) as caller:
                content, is_late = await _read(body)
                # The token may have been revoked meanwhile, and less time is left.
                asks = await calls.caller_of(self.app, self.method, self._arrival()) if is_late else caller
                request = self.codec.read(self.method, content)
                del content
                return self.codec.written(await calls.respond(self.app, self.method, request, asks))

        return await calls.traced(self.app, arrived, self.method.name, lambda: _before(self.deadline, work))

    async def _stream(self, body: bytes, send: Send) -> Ended[None]:
        arrived = self._arrival()

        async def work() -> None:
            caller = await calls.caller_of(self.app, self.method, arrived)
            request = self.codec.read(self.method, only_message(body))
            async with contextlib.aclosing(calls.stream(self.method, request, caller)) as responses:
                async for response in responses:
                    await send(_piece(self.codec, _Same(response)))

        return await calls.answered(self.app, arrived, self.method.name, lambda: _before(self.deadline, work))

    def _arrival(self) -> Arrival:
        return arrival(self.head, self.deadline)

    async def _write(self, body: bytes, send: Send) -> None:
        """Send the messages of the stream, and last how it ended."""
        ended = await self._stream(body, send)
        await send(end_of_stream(ended.error))


async def _read(body: Body) -> tuple[bytes, bool]:
    """Return the body, and whether it took long to come."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    content = await body()
    return content, loop.time() - began > policy.SOON_S


async def _before(deadline: float | None, work: Callable[[], Awaitable[T]]) -> T:
    """Do the `work`. Raises `OverdueError`, and cancels it, if the deadline passes before it is done."""
    if deadline is None:
        return await work()
    if deadline <= asyncio.get_running_loop().time():
        raise OverdueError
    scope = asyncio.timeout_at(deadline)
    try:
        async with scope:
            return await work()
    except TimeoutError:
        if scope.expired():
            raise OverdueError from None
        raise


REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    "Connect-Protocol-Version",
    "Connect-Timeout-Ms",
    "Connect-Content-Encoding",
    "Connect-Accept-Encoding",
    "X-Request-Id",
    "Traceparent",
)
"""What a page may send."""

MAX_AGE_S = 600
"""How long a browser may remember the answer to a preflight."""

_VARY = (("Vary", "Origin"),)


@dataclass(frozen=True, slots=True)
class Origins:
    """The origins of pages that may call.

    No cookie is read, and no credentials are allowed: a page that calls holds a token itself.
    """

    allowed: Collection[str] = ()

    def refusal(self, head: Head) -> Response | None:
        """Return what answers a request of a page that may not call; None for every other request."""
        found = _origins(head)
        if not found or (len(found) == 1 and found[0] in self.allowed):
            return None
        text = ("Content-Type", "text/plain; charset=utf-8")
        return Response(403, (text, *_VARY), b"403 this origin is not allowed\n")

    def headers(self, head: Head) -> tuple[tuple[str, str], ...]:
        """Return what every answer to a request that is not refused says of origins."""
        if not self.allowed:
            return ()
        found = _origins(head)
        if not found:
            return _VARY
        return (*_VARY, ("Access-Control-Allow-Origin", found[0]), ("Access-Control-Expose-Headers", "Retry-After"))

    def preflight(self, head: Head, *, allows: str) -> Response | None:
        """Return the answer to a browser that asks whether a page may call, None if `head` is no such question.

        `allows` is the method of the resource.
        """
        if head.method != "OPTIONS" or not _origins(head) or not head.header("access-control-request-method"):
            return None
        return Response(
            204,
            (
                ("Access-Control-Allow-Methods", allows),
                ("Access-Control-Allow-Headers", ", ".join(REQUEST_HEADERS)),
                ("Access-Control-Max-Age", str(MAX_AGE_S)),
            ),
        )


def _origins(head: Head) -> list[str]:
    return [value for name, value in head.headers if name == "origin"]

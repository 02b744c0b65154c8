"""m8's door: it decides by the head of a request what becomes of it (`http.messages.Application`).

It serves the table of methods by the Connect protocol (https://connectrpc.com/docs/protocol), the witnessed log piece
by piece, and what operators ask.

Reactors hold their sessions over a WebSocket (ADR 42). A binary message is one `AttachRequest` or `AttachResponse` in
protobuf. A text message ends its sender's side, as Connect ends a stream: `{}`, or from m8 also `{"error": …}`. A
connection that ends without one is broken: then it is not known whether the reactor's process runs on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from typing import NoReturn

import msgspec
from google.protobuf.message import Message

from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.errors import Error, UsageError
from monoskope.http.messages import Decision, EndedError, Head, Response, WebSocket
from monoskope.m8 import calls
from monoskope.m8.calls import Arrival, Ended
from monoskope.m8.http import refused, requests, token_endpoint
from monoskope.m8.http.pages import Operations, Published, Tiles, nothing_here
from monoskope.m8.http.refused import Headers, encoded, to_json
from monoskope.m8.http.requests import Call, Codec, Origins, codec_of
from monoskope.m8.methods import MAX_APPEND, MAX_LOGIN, SERVICES, Kind, Method, methods
from monoskope.m8.operations import Endpoints
from monoskope.m8.service.app import App
from monoskope.m8.service.policy import Needs

NORMAL, INTERNAL_ERROR = 1000, 1011
"""How m8 closes a WebSocket (RFC 6455, 7.4.1): after `{}`, and after an error."""

MOST_WAITING = 65_536
"""Bytes of messages that are read ahead of the session. Beyond it the reactor waits."""

_EACH = 64  # what an empty message counts for in MOST_WAITING

FAREWELL_S = 2.0
"""Seconds in which a reactor must have room for the last message."""


class Attached:
    """One session (`http.messages.Upgrade`).

    Attributes:
        most_message: How many bytes the login may have.
    """

    def __init__(self, app: App, method: Method, arrived: Arrival) -> None:
        self.most_message = MAX_LOGIN
        self._app = app
        self._method = method
        self._arrived = arrived

    async def serve(self, socket: WebSocket) -> None:
        """Serve the session until one side ends it; a connection that breaks ends the call as one that is cancelled."""
        messages = _Messages(socket)
        # A task of its own: it can be cancelled from below, and what is logged on the way belongs to this call alone.
        call = asyncio.create_task(self._call(messages))
        messages.broken = call.cancel
        try:
            await asyncio.wait({call})
        finally:
            messages.stop()
            call.cancel()
            await asyncio.wait({call})
        if not call.cancelled():
            await _end(socket, call.result().error)

    async def _call(self, messages: _Messages) -> Ended[None]:
        async def work() -> None:
            async with contextlib.aclosing(messages.come()) as incoming:
                await self._method.handler(incoming, messages.send, self._arrived.peer)

        return await calls.answered(self._app, self._arrived, self._method.name, work)


class _Messages:
    """The messages of one session.

    Attributes:
        broken: Called when the connection breaks.
    """

    def __init__(self, socket: WebSocket) -> None:
        self.broken: Callable[[], object] = lambda: None
        self._socket = socket
        self._came: asyncio.Queue[bytes | UsageError | None] = asyncio.Queue()
        self._waiting = 0
        self._room = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    async def come(self) -> AsyncGenerator[reactor_pb2.AttachRequest]:
        """Yield what the reactor says, until it ends its side.

        Raises:
            UsageError: it says what is no message, or a text that ends nothing.
        """
        message: bytes | UsageError | None = await self._receive()
        while message is not None:
            if isinstance(message, UsageError):
                raise message
            yield calls.message_of(reactor_pb2.AttachRequest, message)
            if self._reading is None:
                # The session asks for more, so the reactor has logged in.
                self._socket.most_message = MAX_APPEND
                self._reading = asyncio.create_task(self._read_on())
            message = await self._came.get()
            self._waiting -= _size(message)
            self._room.set()

    async def send(self, message: Message) -> None:
        """Send a message; waits while the reactor does not read."""
        try:
            await self._socket.send(message.SerializeToString())
        except EndedError:
            await self._break()

    def stop(self) -> None:
        """Read nothing more."""
        if self._reading is not None:
            self._reading.cancel()

    async def _read_on(self) -> None:
        """Read ahead: while a session waits for the event log, the reactor's pings behind its messages are answered."""
        message: bytes | UsageError | None = b""
        while isinstance(message, bytes):
            message = await self._receive()
            self._waiting += _size(message)
            self._came.put_nowait(message)
            while self._waiting > MOST_WAITING:
                self._room.clear()
                await self._room.wait()

    async def _receive(self) -> bytes | UsageError | None:
        """Return the next message; None at the reactor's clean end, the error if it said something else."""
        try:
            message = await self._socket.receive()
        except EndedError:
            await self._break()
        return message if isinstance(message, bytes) else _ended_by(message)

    async def _break(self) -> NoReturn:
        self.broken()
        # Neither an answer nor an error: it waits to be cancelled.
        await asyncio.Event().wait()
        raise AssertionError("the session was cancelled")


def _size(message: bytes | UsageError | None) -> int:
    return len(message) + _EACH if isinstance(message, bytes) else 0


async def _end(socket: WebSocket, error: Error | None) -> None:
    # A client that does not read, or is gone, is told nothing.
    with contextlib.suppress(EndedError, TimeoutError):
        async with asyncio.timeout(FAREWELL_S):
            await socket.send(encoded({} if error is None else {"error": to_json(error)}).decode())
        await socket.close(NORMAL if error is None else INTERNAL_ERROR)


def _ended_by(text: str) -> UsageError | None:
    """Return the error for a text that is not what a reactor ends its side with: a JSON object without an error."""
    try:
        end = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        end = None
    if isinstance(end, dict) and "error" not in end:
        return None
    return UsageError("a text message must be {}, which ends the session.", fix="Send messages as binary.")


class HttpApplication:
    """Answers HTTP requests.

    Args:
        app: The process.
        endpoints: What operators ask for.
        origins: The pages that may call.
        published: The bundle for newcomers.
    """

    def __init__(
        self, app: App, endpoints: Endpoints, *, origins: Origins | None = None, published: Published | None = None
    ) -> None:
        self._app = app
        self._methods = methods(app)
        self._operations = Operations(app, endpoints)
        self._tiles = Tiles(app)
        self._origins = origins or Origins()
        self._published = published or Published(None)

    async def accept(self, head: Head) -> Decision:
        """Decide about a request by its head."""
        refusal = self._origins.refusal(head)
        if refusal is not None:
            return refusal
        headers = self._origins.headers(head)
        decision = await self._decided(head, headers)
        if isinstance(decision, Response):
            return replace(decision, headers=(*decision.headers, *headers))
        return decision

    async def _decided(self, head: Head, headers: Headers) -> Decision:
        """Decide. What is not yet a response is given the `headers`; `accept` adds them to one."""
        is_form = head.path == token_endpoint.PATH
        method = self._methods.get(token_endpoint.METHOD if is_form else head.path)
        pages = next((one for one in (self._operations, self._tiles, self._published) if head.path in one), None)
        if method is None and pages is None:
            return _unknown(head.path)
        allowed = "POST" if method is not None and method.kind is not Kind.ATTACHING else "GET"
        if head.method != allowed:
            return self._other_method(head, allowed)
        if method is None:
            assert pages is not None, "the path is known"
            return await pages.answer(head.path, requests.arrival(head))
        if method.kind is Kind.ATTACHING:
            # Reactors carry no token: their login proves who they are.
            return Attached(self._app, method, requests.arrival(head))
        if is_form:
            return token_endpoint.accept(self._app, method, head, headers)
        return self._called(head, method, headers)

    def _called(self, head: Head, method: Method, headers: Headers) -> Decision:
        codec = codec_of(head, method.kind)
        if codec is None:
            return _unsupported(method)
        if compression := _compression(head, method):
            return compression
        try:
            _check_version(head)
            deadline = requests.deadline_of(head)
        except UsageError as error:
            return refused.response(error)
        most = codec.most_body(method)
        if head.length > most:
            return refused.plain(413, "resource_exhausted", f"the body has more than {most:,} bytes.")
        if method.needs is Needs.NOTHING:  # its answer holds one
            headers = (("Cache-Control", "no-store"), *headers)
        return Call(self._app, method, codec, head, deadline, headers, most)

    def _other_method(self, head: Head, allowed: str) -> Response:
        """Answer a method that a resource does not have, or the question of a browser which one it has."""
        preflight = self._origins.preflight(head, allows=allowed)
        if preflight is not None:
            return preflight
        return refused.plain(405, "unimplemented", f"only {allowed} is allowed here.", (("Allow", allowed),))


def _check_version(head: Head) -> None:
    if any(name == "connect-protocol-version" and value != "1" for name, value in head.headers):
        raise UsageError("Connect-Protocol-Version: must be 1.", fix="Send 1, or leave the header out.")


def _unknown(path: str) -> Response:
    service = path.removeprefix("/").partition("/")[0]
    if service in SERVICES:
        return refused.plain(501, "unimplemented", f"{service} has no such method.")
    return nothing_here()


def _unsupported(method: Method) -> Response:
    accepted = " or ".join(codec.content_type(method.kind) for codec in reversed(Codec))
    return refused.plain(
        415,
        "unimplemented",
        f"the content type must be {accepted}.",
        (("Accept-Post", accepted.replace(" or ", ", ")),),
    )


def _compression(head: Head, method: Method) -> Response | None:
    name = "connect-content-encoding" if method.kind is Kind.STREAMING else "content-encoding"
    if all(value.lower() == "identity" for known, value in head.headers if known == name):
        return None
    more = (("Connect-Accept-Encoding" if method.kind is Kind.STREAMING else "Accept-Encoding", "identity"),)
    return refused.plain(501, "unimplemented", "m8 takes no compressed message.", more)

"""Applications for servers under test, and the requests that they get."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable

import websockets.asyncio.client

from monoskope.host_port import HostPort
from monoskope.http.messages import Body, Decision, Head, Response, Send, Streamed, WebSocket
from tests.unit.http.wire import Asked

ANYWHERE = HostPort("127.0.0.1", 0)
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
SOON_S = 60.0

connect = functools.partial(websockets.asyncio.client.connect, open_timeout=SOON_S, ping_interval=None)
"""A client of a WebSocket that is as patient as a test."""


def post(length: int, *lines: bytes) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n%b\r\n" % (
        length,
        b"".join(b"%b\r\n" % x for x in lines),
    )


class Held(Asked):
    """Answers when it is let."""

    def __init__(self, *, in_accept: bool = False) -> None:
        super().__init__(10_000_000)
        self.in_accept = in_accept
        self.begun = asyncio.Event()
        self.let = asyncio.Event()
        self.ended = asyncio.Event()

    async def accept(self, head: Head) -> Decision:
        if self.in_accept:
            self.begun.set()
            await self.let.wait()
        return await super().accept(head)

    async def answer(self, body: Body) -> Response:
        content = await body()
        self.begun.set()
        try:
            await self.let.wait()
        finally:
            self.ended.set()

        async def here() -> bytes:
            return content

        return await super().answer(here)


class Streams(Asked):
    """Streams pieces, then waits, fails or ends."""

    def __init__(self, *pieces: bytes, after: str = "end") -> None:
        super().__init__()
        self.pieces = pieces
        self.after = after
        self.closed = asyncio.Event()

    async def accept(self, head: Head) -> Decision:
        self.heads.append(head)
        return StreamsOne(self)

    async def stream(self, send: Send) -> None:
        try:
            for piece in self.pieces:
                await send(piece)
            if self.after == "wait":
                await asyncio.Event().wait()
            if self.after == "fail":
                raise RuntimeError("hunter2")
        finally:
            self.closed.set()


class StreamsOne:
    most_body = 0

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    async def answer(self, body: Body) -> Streamed:
        return Streamed(200, (("Content-Type", "text/plain"),), self._streams.stream)


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


class Serves:
    """A WebSocket whose use the test decides."""

    def __init__(self, use: Callable[[WebSocket], Awaitable[None]], most_message: int = 100) -> None:
        self._use = use
        self.most_message = most_message
        self.is_over = asyncio.Event()

    async def accept(self, head: Head) -> Decision:
        return self

    async def serve(self, socket: WebSocket) -> None:
        try:
            await self._use(socket)
        finally:
            self.is_over.set()


async def echo(socket: WebSocket) -> None:
    """The first message may have 100 bytes, each later one 200,000."""
    while True:
        message = await socket.receive()
        socket.most_message = 200_000
        await socket.send(message)

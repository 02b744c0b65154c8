"""A transport without a network: what a connection wrote, and whether it reads."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Sequence

from monoskope.http.messages import Application, Body, Decision, Head, Response
from monoskope.http.server.connection import Connection
from monoskope.http.server.limits import Limits, Shared


class Wire(asyncio.Transport):
    """The server's end of a connection whose other end is the test."""

    def __init__(self, application: Application, limits: Limits | None = None) -> None:
        super().__init__()
        self.told: list[Exception] = []
        self.shared = Shared(application, limits or Limits(), self.told.append)
        self.connection = Connection(self.shared)
        self.written = b""
        self.is_paused = False
        self.is_over = False
        self.narrow = 0
        self.connection.connection_made(self)

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("127.0.0.1", 7) if name == "peername" else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.is_over:
            self.written += data
            if 0 < self.narrow <= len(data):
                self.connection.pause_writing()

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def is_closing(self) -> bool:
        return self.is_over

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Whether a peer reads is the test's business: `narrow` bytes at once are too many for it, if that is not 0."""

    def close(self) -> None:
        if not self.is_over:
            self.is_over = True
            asyncio.get_running_loop().call_soon(self.connection.connection_lost, None)

    abort = close

    async def feed(self, *parts: bytes) -> None:
        """Deliver what comes, as soon as the connection reads."""
        for part in parts:
            await self.settled()
            if self.is_over:
                return
            if not self.is_paused:
                self.connection.data_received(part)
        await self.settled()

    async def settled(self) -> None:
        """Let everything happen that needs nothing from outside."""
        for _ in range(12):
            await asyncio.sleep(0)


class Asked:
    """An application that notes what it was asked, and says so much."""

    def __init__(self, most_body: int = 1_000) -> None:
        self.most_body = most_body
        self.heads: list[Head] = []
        self.bodies: list[bytes] = []

    async def accept(self, head: Head) -> Decision:
        self.heads.append(head)
        return self

    async def answer(self, body: Body) -> Response:
        content = await body()
        self.bodies.append(content)
        return Response(200, (("Content-Type", "application/octet-stream"),), b"<%d>" % len(content))


class Answers(Asked):
    """An application that answers with this, or fails by it."""

    def __init__(self, response: Response | Exception) -> None:
        super().__init__()
        self._response = response

    async def answer(self, body: Body) -> Response:
        if isinstance(self._response, Exception):
            raise self._response
        return self._response


def cut(whole: bytes, at: Sequence[int]) -> list[bytes]:
    places = [0, *sorted(place % (len(whole) + 1) for place in at), len(whole)]
    return [whole[a:b] for a, b in itertools.pairwise(places) if a != b]


def statuses(written: bytes) -> list[int]:
    """The status of each answer, each of which must be whole."""
    found: list[int] = []
    while written:
        head, _, rest = written.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        length = next(int(line[16:]) for line in lines if line.startswith(b"Content-Length: "))
        assert len(rest) >= length
        found.append(int(lines[0].split(b" ")[1]))
        written = rest[length:]
    return found


async def asked(port: int, *parts: bytes) -> bytes:
    """All that a server answers until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await reader.read()
    finally:
        writer.transport.abort()


def narrow(port: int) -> socket.socket:
    """A connection whose system keeps little for a client that does not read."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    one.connect(("127.0.0.1", port))
    return one

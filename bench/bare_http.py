"""A bare put over HTTP/1.1 and a WebSocket, by the product's own parts, over TLS: no limit, no JSON, no error."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.bare import ATTACH, SERVICE, Stream
from monoskope.host_port import HostPort
from monoskope.http.client.destination import Server
from monoskope.http.client.pool import Pool
from monoskope.http.client.websocket_client import ClientSocket, connect
from monoskope.http.messages import Body, Decision, EndedError, Head, Response, WebSocket
from monoskope.http.server.server import bind

_MOST = 65_536
"""Bytes of a message at most."""

Answer = Callable[[bytes], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class SocketStream:
    """An end of a WebSocket as the reactor's stream."""

    socket: WebSocket | ClientSocket

    async def read(self) -> object:
        """Return the next message, None at the end."""
        try:
            return await self.socket.receive()
        except EndedError:
            return None

    async def write(self, content: bytes, /) -> None:
        """Send a message."""
        await self.socket.send(content)


@dataclass(slots=True)
class _Call:
    answering: Answer
    most_body: int = _MOST

    async def answer(self, body: Body) -> Response:
        """Answer a call."""
        return Response(200, (("Content-Type", "application/proto"),), await self.answering(await body()))


@dataclass(slots=True)
class _Attach:
    serving: Callable[[Stream], Awaitable[None]]
    most_message: int = _MOST

    async def serve(self, socket: WebSocket) -> None:
        """Serve the reactor."""
        await self.serving(SocketStream(socket))


@dataclass(frozen=True, slots=True)
class _Application:
    answers: Mapping[str, Answer]
    attach: Callable[[Stream], Awaitable[None]]

    async def accept(self, head: Head) -> Decision:
        """Take a call, or the reactor."""
        name = head.path.removeprefix(f"/{SERVICE}/")
        return _Attach(self.attach) if name == ATTACH else _Call(self.answers[name])


async def serve(
    home: Path, port: int, answers: Mapping[str, Answer], attach: Callable[[Stream], Awaitable[None]]
) -> None:
    """Serve until killed, with the certificate in `home`."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(home / "tls.crt", home / "tls.key")
    server = await bind(HostPort("127.0.0.1", port), _Application(answers, attach), tls=tls)
    await server.start()
    await asyncio.Event().wait()


def _trusting(home: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=home / "ca.crt")


async def dial(home: Path, port: int) -> Stream:
    """Attach."""
    address = HostPort("127.0.0.1", port)
    return SocketStream(await connect(address, f"/{SERVICE}/{ATTACH}", _trusting(home), most_message=_MOST))


@contextlib.asynccontextmanager
async def calls(home: Path, port: int) -> AsyncIterator[Callable[[str, bytes, float], Awaitable[bytes]]]:
    """Yield what calls a method by its name, over one kept connection."""
    pool = Pool(Server("127.0.0.1", port, _trusting(home)), most_connections=1)

    async def call(name: str, request: bytes, timeout_s: float) -> bytes:
        headers = (("Content-Type", "application/proto"),)
        answer = await pool.request(
            "POST", f"/{SERVICE}/{name}", headers, request, timeout_s=timeout_s, most_body=_MOST
        )
        return answer.body

    try:
        yield call
    finally:
        await pool.close()

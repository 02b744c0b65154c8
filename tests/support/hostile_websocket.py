"""The HTTP door of a hostile m8: reactors attach there by a WebSocket, and clients call. All else is as with gRPC."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

import grpc

from monoskope.host_port import HostPort
from monoskope.http.messages import Decision, EndedError, Head, WebSocket
from monoskope.http.server.server import serving
from monoskope.m8.methods.table import MAX_MESSAGE
from monoskope.reactor.link.link import END
from tests.support.hostile_http import Calls, as_connect
from tests.support.hostile_session import Session
from tests.support.passing import ATTACH, Metadata
from tests.support.websocket_call import WebSocketCall


class Upstream:
    """Dials the real m8 by a WebSocket, as a gRPC channel dials it."""

    def __init__(self, at: str) -> None:
        self._at = HostPort.parse(at)

    def stream_stream(self, _: str) -> Callable[[], WebSocketCall]:
        """Return what makes a call. Its messages stay bytes."""
        return lambda: WebSocketCall(self._at, parse=bytes)

    async def close(self) -> None:
        """Nothing is kept."""


class _Context:
    """What a session needs of gRPC's context."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def write(self, content: bytes) -> None:
        await self._socket.send(content)

    async def abort(self, code: grpc.StatusCode, details: str, metadata: Metadata = ()) -> NoReturn:
        await self._socket.send(json.dumps({"error": as_connect(code, details, metadata)}))
        await self._socket.close(1011)
        raise EndedError


class _Attach:
    """A reactor's session (`http.messages.Upgrade`)."""

    def __init__(self, session: Session) -> None:
        self.most_message = MAX_MESSAGE
        self._session = session

    async def serve(self, socket: WebSocket) -> None:
        await self._session.serve(self._incoming(socket), _Context(socket))
        await socket.send(END)
        await socket.close()

    async def _incoming(self, socket: WebSocket) -> AsyncIterator[bytes]:
        while isinstance(message := await self._received(socket), bytes):
            yield message

    async def _received(self, socket: WebSocket) -> bytes | str:
        try:
            return await socket.receive()
        except EndedError:
            # The server cancels the session of a reactor that is gone, as gRPC does.
            await asyncio.Event().wait()
            raise


class _Application:
    def __init__(self, session: Callable[[], Session], calls: Calls) -> None:
        self._session = session
        self._calls = calls

    async def accept(self, head: Head) -> Decision:
        return _Attach(self._session()) if head.path == ATTACH else self._calls.accepted(head)


@asynccontextmanager
async def websockets(listen: str, folder: Path, session: Callable[[], Session], calls: Calls) -> AsyncIterator[None]:
    """Let reactors attach and clients call at `listen`, under m8's certificate in `folder`."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    async with serving(HostPort.parse(listen), _Application(session, calls), tls=tls, drain_s=0.5):
        yield

"""The HTTP door of a hostile m8: clients call, and reactors attach by a WebSocket."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from monoskope.errors import Error
from monoskope.host_port import HostPort
from monoskope.http.messages import Body, Decision, EndedError, Head, Response, Streamed, WebSocket
from monoskope.http.server.server import serving
from monoskope.m8.http.codecs import end_of_stream, enveloped, only_message
from monoskope.m8.http.refused import HTTP_STATUS, JSON, encoded, to_json
from monoskope.m8.methods.table import MAX_MESSAGE
from monoskope.reactor.link.websocket_link import END
from tests.support.hostile_session import Session
from tests.support.http_calls import CallError
from tests.support.passing import ATTACH, METHODS

if TYPE_CHECKING:
    from tests.support.hostile_m8 import HostileM8


def said(error: Error | CallError) -> dict[str, object]:
    """Return an error as Connect has it in JSON."""
    return to_json(error) if isinstance(error, Error) else error.json


@dataclass(slots=True)
class _OneCall:
    """One call (`http.messages.Accepted`)."""

    m8: HostileM8
    head: Head
    most_body: int = 8 * MAX_MESSAGE

    async def answer(self, body: Body) -> Response | Streamed:
        content = await body()
        if METHODS[self.head.path].streams:
            kind = ("Content-Type", "application/connect+proto")
            return Streamed(200, (kind,), self._streamed(only_message(content)))
        try:
            answer = await self.m8.answered(self.m8.noted(self.head, content))
        except (Error, CallError) as error:
            found = said(error)
            return Response(HTTP_STATUS[str(found["code"])], (JSON,), encoded(found))
        return Response(200, (("Content-Type", "application/proto"),), answer)

    async def _streamed(self, content: bytes) -> AsyncIterator[bytes]:
        async for answer in self.m8.streamed(self.m8.noted(self.head, content)):
            yield enveloped(answer)
        yield end_of_stream(None)


class _Attach:
    """A reactor's session (`http.messages.Upgrade`)."""

    def __init__(self, session: Session) -> None:
        self.most_message = MAX_MESSAGE
        self._session = session

    async def serve(self, socket: WebSocket) -> None:
        end = await self._session.serve(self._incoming(socket), socket.send)
        if end is None:
            await socket.send(END)
            await socket.close()
        else:
            await socket.send(json.dumps({"error": said(end)}))
            await socket.close(1011)

    async def _incoming(self, socket: WebSocket) -> AsyncIterator[bytes]:
        while isinstance(message := await self._received(socket), bytes):
            yield message

    async def _received(self, socket: WebSocket) -> bytes | str:
        try:
            return await socket.receive()
        except EndedError:
            # The server cancels the session of a reactor that is gone.
            await asyncio.Event().wait()
            raise


@dataclass(frozen=True, slots=True)
class _Application:
    m8: HostileM8

    async def accept(self, head: Head) -> Decision:
        if head.path == ATTACH:
            return _Attach(self.m8.session())
        return _OneCall(self.m8, head) if head.path in METHODS else Response(404)


@asynccontextmanager
async def listening(listen: str, folder: Path, m8: HostileM8) -> AsyncIterator[None]:
    """Let reactors attach and clients call at `listen`, under m8's certificate in `folder`."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    async with serving(HostPort.parse(listen), _Application(m8), tls=tls, drain_s=0.5):
        yield

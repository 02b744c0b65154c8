"""A reactor's WebSocket, with the methods of a gRPC call that our scripted reactors use."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import ssl
from collections.abc import Callable

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import code_pb2, status_pb2  # type: ignore[import-untyped]

from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.host_port import HostPort
from monoskope.http.client.websocket_client import ClientSocket, connect
from monoskope.http.messages import EndedError
from monoskope.reactor.link.link import END, PATH

_MOST = 8 * 1_048_576


class WebSocketCall:
    """A session over a WebSocket. It dials at once and reads on its own.

    Args:
        at: The HTTP door, on the loopback interface.
        parse: Makes what `read` returns out of a message.
        tls: How it is spoken to; None for a door without TLS.
    """

    def __init__(
        self,
        at: HostPort,
        *,
        parse: Callable[[bytes], object] = reactor_pb2.AttachResponse.FromString,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._at = at
        self._tls = tls
        self._parse = parse
        self._opened: asyncio.Future[ClientSocket] = asyncio.get_running_loop().create_future()
        self._came: asyncio.Queue[object] = asyncio.Queue()
        self._ended = asyncio.Event()
        self._code = grpc.StatusCode.UNAVAILABLE
        self._details = "the connection broke"
        self._status: bytes | None = None
        self._reading = asyncio.create_task(self._read())

    async def socket(self) -> ClientSocket:
        """The WebSocket, once it is open."""
        return await asyncio.shield(self._opened)

    async def raw(self, content: bytes) -> None:
        """Send bytes that are no message of ours."""
        (await self.socket())._transport.write(content)

    async def close_code(self) -> int:
        """With which code m8 closed the connection, once it has ended; 0 if it did not."""
        await self._ended.wait()
        return (await self.socket()).close_code

    async def _read(self) -> None:
        try:
            socket = await connect(self._at, PATH, self._tls, most_message=_MOST)
            self._opened.set_result(socket)
            while isinstance(message := await socket.receive(), bytes):
                self._came.put_nowait(self._parse(message))
            self._last_word(message)
        except EndedError:
            pass  # the connection broke
        finally:
            self._ended.set()
            self._came.put_nowait(None)

    def _last_word(self, text: str) -> None:
        error = json.loads(text).get("error")
        if error is None:
            self._code, self._details = grpc.StatusCode.OK, ""
            return
        self._code = grpc.StatusCode[error["code"].upper()]
        self._details = error["message"]
        details = [
            AnyMessage(type_url=f"type.googleapis.com/{one['type']}", value=base64.b64decode(one["value"] + "=="))
            for one in error["details"]
        ]
        number = code_pb2.Code.Value(self._code.name)
        self._status = status_pb2.Status(code=number, message=self._details, details=details).SerializeToString()

    async def read(self) -> object:
        """The next message, `grpc.aio.EOF` at the end."""
        message = await self._came.get()
        if message is None:
            self._came.put_nowait(None)
            return grpc.aio.EOF
        return message

    async def write(self, message: reactor_pb2.AttachRequest | bytes) -> None:
        """Send a message. As with gRPC, an ended session does not show before it is read."""
        with contextlib.suppress(EndedError):
            content = message if isinstance(message, bytes) else message.SerializeToString()
            await (await self.socket()).send(content)

    async def done_writing(self) -> None:
        """End our side."""
        await (await self.socket()).send(END)

    async def wait_for_connection(self) -> None:
        """As gRPC's."""
        await self.socket()

    async def code(self) -> grpc.StatusCode:
        """How m8 ended the session, once it has."""
        await self._ended.wait()
        return self._code

    async def details(self) -> str:
        """With which words."""
        await self._ended.wait()
        return self._details

    async def initial_metadata(self) -> grpc.aio.Metadata:
        """None comes."""
        return grpc.aio.Metadata()

    async def trailing_metadata(self) -> grpc.aio.Metadata:
        """The status, as gRPC would carry it."""
        await self._ended.wait()
        return grpc.aio.Metadata(*([] if self._status is None else [("grpc-status-details-bin", self._status)]))

    def cancel(self) -> None:
        """Break the connection."""
        self._reading.cancel()
        if self._opened.done():
            self._opened.result().abort()

"""The WebSocket of a scripted reactor."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl

from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.host_port import HostPort
from monoskope.http.client.websocket_client import ClientSocket, NoWebSocketError, connect
from monoskope.http.messages import EndedError
from monoskope.reactor.link.link import END, PATH
from tests.support.http_calls import CallError

_MOST = 8 * 1_048_576


class WebSocketCall:
    """A session over a WebSocket. It dials at once and reads on its own."""

    def __init__(self, at: HostPort, *, tls: ssl.SSLContext | None = None) -> None:
        self._at = at
        self._tls = tls
        self._opened: asyncio.Future[ClientSocket] = asyncio.get_running_loop().create_future()
        self._came: asyncio.Queue[object] = asyncio.Queue()
        self._ended = asyncio.Event()
        self._end: CallError | None = CallError("unavailable", "the connection broke")
        self._reading = asyncio.create_task(self._read())

    async def socket(self) -> ClientSocket:
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
                self._came.put_nowait(reactor_pb2.AttachResponse.FromString(message))
            self._last_word(message)
        except (EndedError, NoWebSocketError, OSError):
            pass  # the connection broke
        finally:
            if not self._opened.done():
                self._opened.set_exception(EndedError())
                self._opened.exception()
            self._ended.set()
            self._came.put_nowait(None)

    def _last_word(self, text: str) -> None:
        error = json.loads(text).get("error")
        self._end = None if error is None else CallError.read(error)

    async def read(self) -> object:
        message = await self._came.get()
        if message is None:
            self._came.put_nowait(None)
        return message

    async def write(self, message: reactor_pb2.AttachRequest | bytes) -> None:
        with contextlib.suppress(EndedError):
            content = message if isinstance(message, bytes) else message.SerializeToString()
            await (await self.socket()).send(content)

    async def done_writing(self) -> None:
        await (await self.socket()).send(END)

    async def end(self) -> CallError | None:
        """How m8 ended the session, once it has; None if it gives no error."""
        await self._ended.wait()
        return self._end

    async def code(self) -> str:
        """The code with which m8 ended the session, once it has; "ok" if it gives no error."""
        end = await self.end()
        return "ok" if end is None else end.code

    def cancel(self) -> None:
        self._reading.cancel()
        if self._opened.done():
            self._opened.result().abort()

"""The client's side of a WebSocket (RFC 6455) over TLS, on asyncio.

`websockets` knows the frames, without I/O; this file moves the bytes, assembles messages, holds back a peer that is too
fast, and notices a server that is gone. No extension is offered, so frames are never compressed.

One file, however long: what a connection does at any moment depends on all of its state.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections import deque
from collections.abc import Callable
from typing import cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import WebSocketURI

from monoskope.host_port import HostPort
from monoskope.http.messages import EndedError
from monoskope.value import Unshared

PING_S = 10.0
"""After so many seconds without a word the server is asked whether it is there."""

PONG_S = 5.0
"""Within so many seconds it must say something."""

MAX_HELD = 1_048_576
"""Bytes of messages that were not taken yet. Beyond it nothing is read until they are taken."""

MAX_PINGS = 64
"""Pings that are answered while the server does not read the answers. Beyond it the connection ends."""

MOST_HANDSHAKE = 65_536
"""Bytes that the server may send before the handshake has ended. The library reads the body of a refusal, too."""

_CLOSE_S = 1.0
_EACH = 256  # what an empty message counts for in MAX_HELD

# What the library would say of a connection, the caller says in its own words.
_LOG = logging.getLogger(__name__)
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False


class NoWebSocketError(Exception):
    """The server answered, and did not open a WebSocket.

    Attributes:
        status: The status of its HTTP answer; 0 for what is no HTTP, or a wrong handshake.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"no WebSocket was opened (HTTP status {status})")
        self.status = status


async def connect(
    at: HostPort,
    path: str,
    tls: ssl.SSLContext | None,
    *,
    most_message: int,
    ping_s: float = PING_S,
    pong_s: float = PONG_S,
) -> ClientSocket:
    """Open a WebSocket at `wss://{at}{path}`. It is the caller's to close.

    Args:
        at: Where to dial, and the name that the certificate must carry.
        path: Of the target, with its `/`.
        tls: What is trusted; None for tests on the loopback interface.
        most_message: How many bytes a message of the server may have; a larger one ends the connection.
        ping_s: As `PING_S`.
        pong_s: As `PONG_S`.

    Raises:
        OSError: there is no connection, or TLS failed.
        NoWebSocketError: the server answered something else.
    """
    host = f"[{at.host}]" if ":" in at.host else at.host
    uri = WebSocketURI(secure=tls is not None, host=host, port=at.port, path=path, query="")
    protocol = ClientProtocol(uri, max_size=most_message, logger=_LOG)
    socket = await _dialled(at, tls, lambda: ClientSocket(protocol, ping_s, pong_s))
    try:
        await socket.opened
    except BaseException:
        socket.abort()
        raise
    return socket


async def _dialled(at: HostPort, tls: ssl.SSLContext | None, made: Callable[[], ClientSocket]) -> ClientSocket:
    try:
        _, socket = await asyncio.get_running_loop().create_connection(
            made, at.host, at.port, ssl=tls, server_hostname=None if tls is None else at.host
        )
    except UnicodeError:  # a part of the name is empty, or longer than a name's parts can be
        raise OSError("the name has no address") from None
    return socket


class ClientSocket(Unshared, asyncio.Protocol):
    """An open WebSocket. Several tasks may send; one receives. Its messages may hold credentials.

    Attributes:
        opened: Done once the handshake has ended; with its error, if it failed.
        is_silent: Whether it was given up because the server answered no ping.
    """

    def __init__(self, protocol: ClientProtocol, ping_s: float, pong_s: float) -> None:
        self._protocol = protocol
        self._ping_s = ping_s
        self._pong_s = pong_s
        self._loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = self._loop.create_future()
        self.is_silent = False
        self._transport: asyncio.Transport
        self._watch: asyncio.TimerHandle | None = None
        self._heard_at = self._loop.time()
        self._asked_at: float | None = None
        self._messages: deque[bytes | str] = deque()
        self._held = 0
        self._part: tuple[Opcode, bytearray] | None = None
        self._greeted = 0
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._pings = 0
        self._lost = asyncio.Event()

    # --- for the caller ---

    async def receive(self) -> bytes | str:
        """Return the next message: bytes of a binary one, text of a text one. Raises `EndedError` at the end."""
        while not self._messages:
            if self._is_over:
                raise EndedError
            self._news.clear()
            await self._news.wait()
        message = self._messages.popleft()
        self._held -= len(message) + _EACH
        if self._held <= MAX_HELD // 2:
            self._listen(again=True)
        return message

    async def send(self, message: bytes | str) -> None:
        """Send a message; waits while the server does not read. Raises `EndedError` if the connection has ended."""
        if self._is_over:
            raise EndedError
        if isinstance(message, str):
            self._protocol.send_text(message.encode())
        else:
            self._protocol.send_binary(message)
        self._flush()
        await self._room.wait()

    async def close(self, code: int = 1000) -> None:
        """Close the connection with a code of RFC 6455, 7.4.1; what the server does not read is dropped soon."""
        if not self._is_over:
            self._protocol.send_close(code)
            self._flush()
        self._transport.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self._lost.wait()
        self.abort()

    def abort(self) -> None:
        """Drop the connection without a word."""
        self._transport.abort()

    @property
    def close_code(self) -> int:
        """With which code (RFC 6455, 7.4.1) the server closed the connection; 0 if it did not, 1005 if it said none."""
        closed = self._protocol.close_rcvd
        return 0 if closed is None else int(closed.code)

    @property
    def _is_over(self) -> bool:
        return self._lost.is_set() or self._protocol.state is not State.OPEN

    # --- for the event loop ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the handshake."""
        # uvloop's TLS transport has all methods of `asyncio.Transport`, and does not say that it is one.
        self._transport = cast("asyncio.Transport", transport)
        self._protocol.send_request(self._protocol.connect())
        self._flush()
        self._watch = self._loop.call_later(self._ping_s, self._look)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        self._heard_at, self._asked_at = self._loop.time(), None
        self._greeted += 0 if self.opened.done() else len(data)
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                self._shaken_hands()
            elif isinstance(event, Frame):
                self._take(event)
        self._flush()
        if not self.opened.done() and (self._protocol.handshake_exc is not None or self._greeted > MOST_HANDSHAKE):
            self.opened.set_exception(NoWebSocketError(0))
            self.abort()
        if self.opened.done() and self._is_over:
            # The library has answered a Close, or said why it ends the connection. There is nothing left to read.
            self._news.set()
            self._transport.close()

    def pause_writing(self) -> None:
        """Hold back the senders."""
        self._room.clear()

    def resume_writing(self) -> None:
        """Let them go on."""
        self._pings = 0
        self._room.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """End all waits."""
        if self._watch is not None:
            self._watch.cancel()
        self._lost.set()
        self._news.set()
        self._room.set()
        if not self.opened.done():
            self.opened.set_exception(exc if isinstance(exc, OSError) else ConnectionResetError("closed"))

    # --- within ---

    def _shaken_hands(self) -> None:
        failure = self._protocol.handshake_exc
        if self.opened.done():
            return
        if failure is None:
            self.opened.set_result(None)
        else:
            status = failure.response.status_code if isinstance(failure, InvalidStatus) else 0
            self.opened.set_exception(NoWebSocketError(status))

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PING:
            self._pinged()
        elif frame.opcode is Opcode.CONT and self._part is not None:
            self._part[1].extend(frame.data)
            if frame.fin:
                (opcode, content), self._part = self._part, None
                self._deliver(opcode, bytes(content))
        elif frame.opcode in {Opcode.TEXT, Opcode.BINARY}:
            if frame.fin:
                self._deliver(frame.opcode, bytes(frame.data))
            else:
                self._part = frame.opcode, bytearray(frame.data)

    def _deliver(self, opcode: Opcode, content: bytes) -> None:
        message: bytes | str = content
        if opcode is Opcode.TEXT:
            try:
                message = content.decode()
            except UnicodeDecodeError:
                self._protocol.fail(CloseCode.INVALID_DATA)
                return
        self._messages.append(message)
        self._held += len(message) + _EACH
        self._news.set()
        if self._held > MAX_HELD:
            self._listen(again=False)

    def _pinged(self) -> None:
        """The library has an answer ready. A server that does not read must not make it keep answers without end."""
        if not self._room.is_set():
            self._pings += 1
            if self._pings > MAX_PINGS:
                self.abort()

    def _listen(self, *, again: bool) -> None:
        if self._lost.is_set() or self._transport.is_closing() or self._transport.is_reading() is again:
            return
        if again:
            self._heard_at = self._loop.time()
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            # b"" says that the library has no more to send; over TLS a connection is closed as a whole.
            if data and not self._lost.is_set():
                self._transport.write(data)

    def _look(self) -> None:
        """See whether the server is there; one that is held back by us has no way to say so."""
        now = self._loop.time()
        silent_s, wait_s = now - self._heard_at, self._pong_s
        if silent_s < self._ping_s:
            wait_s = self._ping_s - silent_s
        elif not self._transport.is_reading():
            pass
        elif self._asked_at is None and self._protocol.state is State.OPEN:
            self._asked_at = now
            self._protocol.send_ping(b"")
            self._flush()
        else:
            # Also a server that never ended its handshake, or does not end the connection after a Close.
            self.is_silent = True
            self.abort()
            return
        self._watch = self._loop.call_later(wait_s, self._look)

"""The server's side of a WebSocket (RFC 6455), on the protocol without I/O of the package `websockets`."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from monoskope.http.messages import EndedError, Head, Response
from monoskope.http.server.exchange import refusal
from monoskope.http.server.limits import PORTION, Limits

if TYPE_CHECKING:
    from monoskope.http.server.connection import Connection

MOST_HELD = 65_536
"""Bytes that may wait behind a message that was not asked for yet; then nothing more is read."""

MOST_FRAMES = 1_000
"""Frames that end no message, between two of our pings; and frames of any kind that come after the end. A peer that
needs more is at nothing good (1008)."""

_SLICE = 16_384
"""Bytes that are parsed at once: so much may be parsed before too many frames are noticed."""

_DATA = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})
_NO_LOG = logging.getLogger(__name__)
_NO_LOG.disabled = True  # it would say what came


def agreed(head: Head) -> str | Response:
    """Return the value of `Sec-WebSocket-Accept` for a request; if it is none for a WebSocket, the refusal.

    Browsers say where a page came from (`Origin`), and none has a reason to come here: any is refused.
    """
    if any(name == "origin" for name, _ in head.headers):
        return refusal(403)
    if head.method != "GET" or head.header("upgrade").lower() != "websocket":
        return refusal(426)
    answer = _OneAtATime(0).accept(Request(head.path, Headers(head.headers)))
    if answer.status_code != 101:
        return refusal(400)
    return answer.headers["Sec-WebSocket-Accept"]


class ServedSocket:
    """An open WebSocket, as `messages.WebSocket` promises it to the application.

    Args:
        carrier: Its connection.
        most_message: How many bytes the next message may have.
        limits: How often the peer is pinged, and how soon it must answer.
    """

    def __init__(self, carrier: Connection, most_message: int, limits: Limits) -> None:
        self.most_message = most_message
        self._carrier = carrier
        self._limits = limits
        self._protocol = _OneAtATime(most_message)
        self._begun = bytearray()
        self._is_text = False
        self._message: bytes | str | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._is_paused = False
        self._is_pinged = False
        self._is_ended = False
        self._is_unasked = False
        self._frames = 0
        self._sending = asyncio.Lock()
        self._is_torn = False

    def open(self, accept: str) -> None:
        """Answer the request for the WebSocket."""
        head = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        self._carrier.transport.write(b"HTTP/1.1 101 Switching Protocols\r\n" + head.encode("ascii"))
        self.arm()

    # What the application calls.

    async def receive(self) -> bytes | str:
        """Return the next message. Raises `EndedError` at the end."""
        while self._message is None:
            if self._protocol.held:
                self._take(self._unheld())
            elif self._is_ended:
                raise EndedError
            else:
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
        message, self._message = self._message, None
        return message

    async def send(self, message: bytes | str) -> None:
        """Send a message as fast as the peer reads. Raises `EndedError` if the connection has ended.

        A large one is sent in fragments (RFC 6455, 5.4), between which the peer can be pinged.
        """
        data = message.encode() if isinstance(message, str) else message
        async with self._sending:
            if self._is_torn:
                # A message was cancelled between two fragments: this one would be taken for the rest of it.
                raise EndedError
            await self._send_part(data[:PORTION], is_text=isinstance(message, str), fin=len(data) <= PORTION)
            for begin in range(PORTION, len(data), PORTION):
                await self._send_part(data[begin : begin + PORTION], fin=begin + PORTION >= len(data))

    async def _send_part(self, data: bytes, *, fin: bool, is_text: bool | None = None) -> None:
        await self._carrier.writable()
        if self._is_ended:
            raise EndedError
        if is_text is None:
            self._protocol.send_continuation(data, fin)
        elif is_text:
            self._protocol.send_text(data, fin)
        else:
            self._protocol.send_binary(data, fin)
        self._is_torn = not fin
        self._write()

    async def close(self, code: int = 1000) -> None:
        """Close the connection with a code of RFC 6455, 7.4.1. It returns before the peer has answered."""
        self.shut(code)

    # What the connection calls.

    def feed(self, data: bytes) -> None:
        """Take what came."""
        if self._is_unasked:
            self._ignore(data)
            return
        if self._message is None and not self._protocol.held:
            self._take(data)
            return
        self._protocol.held += data
        if len(self._protocol.held) > MOST_HELD and not self._is_paused:
            self._is_paused = True
            self._carrier.transport.pause_reading()

    def arm(self) -> None:
        """Begin to wait for the next ping, or for the answer to the last one. Nothing gives an end more time."""
        if not self._is_ended:
            self._carrier.within(self._limits.pong_s if self._is_pinged else self._limits.ping_s)

    def expire(self) -> None:
        """Ping the peer; cut it off if it did not answer the last one. While nothing is read, no answer can come."""
        if self._is_ended or (self._is_pinged and not self._protocol.held):
            self._carrier.transport.abort()
            return
        if not self._is_pinged:
            self._is_pinged = True
            self._frames = 0
            self._protocol.send_ping(b"")
            self._write()
        self.arm()

    def shut(self, code: int) -> None:
        """Send a Close frame, unless one was sent, and end when the peer answers it."""
        if self._is_ended:
            return
        self._end()
        if self._protocol.state is OPEN:
            self._protocol.send_close(code)
            self._write()
        self._carrier.within(self._limits.pong_s)

    def finish(self, code: int) -> None:
        """As `shut`, when no message is asked for any more: what still comes is thrown away."""
        self._is_unasked = True
        self.shut(code)
        self._ignore(self._unheld())

    def lost(self) -> None:
        """Tell the waiting tasks that the connection is gone."""
        self._end()

    # Reading.

    def _take(self, data: bytes) -> None:
        """Parse `data` up to the end of a message, and hold the rest."""
        for begin in range(0, len(data), _SLICE):
            if self._message is not None:
                self._protocol.held += data[begin:]
                return
            self._parse(data[begin : begin + _SLICE])
            if self._protocol.eof_sent:
                # A Close frame came, or something that RFC 6455 forbids: there is nothing more to read.
                self._write()
                self._end()
                self._carrier.close()
                return

    def _parse(self, data: bytes) -> None:
        self._protocol.max_message_size = self.most_message
        self._protocol.receive_data(data)
        for frame in self._protocol.events_received():
            if isinstance(frame, Frame):
                self._take_frame(frame)
        if self._frames > MOST_FRAMES and not self._protocol.eof_sent:
            self._protocol.fail(1008)
        if self._protocol.eof_sent:
            return
        if self._carrier.is_blocked:
            self._protocol.data_to_send()  # pongs for a peer that does not read
        else:
            self._write()

    def _ignore(self, data: bytes) -> None:
        while data and not self._carrier.transport.is_closing():
            self._message = None
            self._take(data)
            data = self._unheld()
        self._message = None

    def _take_frame(self, frame: Frame) -> None:
        self._frames += self._is_unasked or not (frame.fin and frame.opcode in _DATA)
        if frame.opcode is Opcode.PONG:
            if self._is_pinged:
                self._is_pinged = False
                self.arm()
        elif frame.opcode in _DATA:
            if frame.opcode is not Opcode.CONT:
                self._is_text = frame.opcode is Opcode.TEXT
            if not frame.fin or self._begun:
                # One buffer, for a peer may send each byte in a fragment of its own.
                self._begun += frame.data
            if frame.fin:
                self._finish_message(bytes(self._begun or frame.data))

    def _finish_message(self, whole: bytes) -> None:
        self._begun = bytearray()
        try:
            self._message = whole.decode() if self._is_text else whole
        except UnicodeDecodeError:
            self._protocol.fail(1007)
        self._wake()

    def _unheld(self) -> bytes:
        held, self._protocol.held = bytes(self._protocol.held), bytearray()
        if self._is_paused:
            self._is_paused = False
            self._carrier.transport.resume_reading()
        return held

    def _write(self) -> None:
        for data in self._protocol.data_to_send():
            if data and not self._carrier.transport.is_closing():
                self._carrier.transport.write(data)

    def _end(self) -> None:
        self._is_ended = True
        self._begun = bytearray()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class _OneAtATime(ServerProtocol):
    """Looks at no byte behind a message before the next is asked for: only then its largest size is known."""

    def __init__(self, most_message: int) -> None:
        super().__init__(state=OPEN, max_size=most_message, logger=_NO_LOG)
        self.held = bytearray()

    def recv_frame(self, frame: Frame) -> None:
        super().recv_frame(frame)
        if frame.fin and frame.opcode in _DATA:
            self.held, self.reader.buffer = self.reader.buffer, bytearray()

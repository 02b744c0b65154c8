"""One connection of a server: it reads one request at a time, lets the application answer, and keeps the limits.

No request has a timer. A connection has one deadline, and the server looks at all of them twice a second.
"""

from __future__ import annotations

import asyncio
import enum
import io
from typing import TYPE_CHECKING, cast

from monoskope.http.messages import Response
from monoskope.http.server import exchange
from monoskope.http.server.exchange import Framing
from monoskope.http.server.limits import MOST_HEAD, PORTION, Outgoing, Shared, named, probe

if TYPE_CHECKING:
    from monoskope.http.server.websocket import ServedSocket  # needs a package that monoctl does not have


class _State(enum.Enum):
    IDLE = enum.auto()
    """Nothing of the next request has come."""
    HEAD = enum.auto()
    """A part of a head has come."""
    BUSY = enum.auto()
    """The application has the request."""
    BODY = enum.auto()
    """The application wants the body, and not all of it has come."""
    SOCKET = enum.auto()
    """It is a WebSocket."""
    LINGER = enum.auto()
    """The request was refused. The rest of it is thrown away, so that its sender can read why."""
    CLOSED = enum.auto()
    """Nothing more is read; what is written already may still be on its way."""


class Connection(Outgoing):
    """A connection. The event loop calls it; `expire`, `drain` and `end_stream` are the server's."""

    def __init__(self, shared: Shared, entered: object = None) -> None:
        super().__init__(shared.limits.unread_s)
        self._shared = shared
        self._entered = entered
        self._limits = shared.limits
        self._state = _State.IDLE
        self._begun = b""
        self._body: io.BytesIO | None = None
        self._missing = 0
        self.is_last = False
        self.is_streaming = False
        self._task: asyncio.Task[None] | None = None
        self._whole: asyncio.Future[None] | None = None
        self._socket: ServedSocket | None = None

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection, or close it if there are too many."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses
        self._peer = named(self.transport.get_extra_info("peername"))
        if len(self._shared.connections) >= self._limits.most or self._shared.is_draining:
            self._state = _State.CLOSED
            self.transport.abort()
            return
        self._shared.connections.add(self)
        if self._entered is None:
            self._entered = self._shared.gate.enter(self._peer, self.transport.abort)
        self.transport.set_write_buffer_limits(PORTION)
        probe(self.transport.get_extra_info("socket"))
        # A client that connects has something to ask. Time between two requests is for those who have asked before.
        self.within(self._limits.head_s)

    def data_received(self, data: bytes) -> None:
        """Take what came, if this is the time for it."""
        if self._state is _State.IDLE or self._state is _State.HEAD:
            self._read_head(data)
        elif self._state is _State.BODY:
            self._read_body(data)
        elif self._socket is not None and self._state is _State.SOCKET:
            self._socket.feed(data)
        elif self._state is _State.LINGER:
            self._missing -= len(data)
            if self._missing <= 0:
                self.close()
        elif self._state is _State.BUSY:
            self._too_early()

    def eof_received(self) -> bool:
        """Count a peer that has ended its side as gone."""
        self._abandon()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel what is done for the peer, and forget the connection."""
        del exc
        self._state, self._begun, self._body = _State.CLOSED, b"", None
        self.resume_writing()
        if self._socket is not None:
            self._socket.lost()
        if self._task is None:
            self._left()
        else:
            self._task.add_done_callback(lambda _: self._left())
            self._abandon()

    def resume_writing(self) -> None:
        """Note that the peer has read enough, or is gone."""
        super().resume_writing()
        if self._state is _State.BUSY:
            self.never()
        elif self._socket is not None and self._state is _State.SOCKET:
            self._socket.arm()

    # Reading.

    def _read_head(self, data: bytes) -> None:
        seen = len(self._begun)
        raw = self._begun + data if seen else data
        end = raw.find(exchange.END, max(0, seen - 3)) + len(exchange.END)
        is_complete = end >= len(exchange.END)
        if (end if is_complete else len(raw)) > MOST_HEAD:
            self._refuse(431)
        elif is_complete:
            self._begun = b""
            self._begin(raw, end)
        elif not exchange.is_beginning(raw):
            self._refuse(400)
        else:
            if not seen:
                self.within(self._limits.head_s)
            self._state, self._begun = _State.HEAD, raw

    def _begin(self, raw: bytes, end: int) -> None:
        found = exchange.parsed(raw[:end], self._peer)
        if isinstance(found, Response):
            self._refuse(found.status)
            return
        head, framing = found
        self._state = _State.BUSY
        self.never()
        self.is_last = framing.is_last or self._shared.is_draining or not self._limits.idle_s
        rest = raw[end : end + framing.length]
        self._missing = framing.length - len(rest)
        self._begun = rest
        if len(raw) > end + framing.length:
            self._too_early()
        elif self._missing:
            # Nothing more is taken before the application has seen the head.
            self.transport.pause_reading()
        serving = exchange.serve(self, self._shared.application, self._shared.tell, head, framing)
        self._task = self._loop.create_task(serving)

    def _read_body(self, data: bytes) -> None:
        if self._body is None:
            raise AssertionError("a body is read only where there is a place for it")
        surplus = len(data) - self._missing
        self._body.write(data[: self._missing] if surplus > 0 else data)
        self._missing = max(0, -surplus)
        if surplus >= 0:
            self._state = _State.BUSY
            self.never()
            if self._whole is not None and not self._whole.done():
                self._whole.set_result(None)
        if surplus > 0:
            self._too_early()

    def _too_early(self) -> None:
        """Something came before the answer was sent: pipelined. It is thrown away, and the answer is the last one.

        To stop reading would hide that the peer has gone: what it asked for would go on without a reader.
        """
        self.is_last = True

    # What a request calls.

    @property
    def is_answerable(self) -> bool:
        """Whether the answer is still awaited: the peer is there, and was not told anything else."""
        return self._state is _State.BUSY

    @property
    def is_unread(self) -> bool:
        """Whether a part of the body has not been read."""
        return self._missing > 0

    async def whole_body(self, framing: Framing) -> bytes:
        """Return the body, once all of it is here. A peer that waits for 100 is told now to send it."""
        begun, self._begun = self._begun, b""
        if not self._missing:
            return begun
        self._body = io.BytesIO()
        self._body.write(begun)
        del begun
        self._state = _State.BODY
        self.within(self._limits.body_s + framing.length / self._limits.body_rate)
        if framing.waits:
            self.transport.write(exchange.CONTINUE)
        self._whole = self._loop.create_future()
        self.transport.resume_reading()
        try:
            await self._whole
        finally:
            body, self._body = self._body, None
            if self._state is _State.BODY:
                # The application waits no longer, and answers now. The rest is thrown away.
                self._state = _State.BUSY
                self.never()
        return body.getvalue()

    def upgrade(self, most_message: int) -> ServedSocket:
        """Return the WebSocket that has what comes from now on."""
        from monoskope.http.server.websocket import ServedSocket  # noqa: PLC0415 - as above

        self._socket, self._state = ServedSocket(self, most_message, self._limits), _State.SOCKET
        return self._socket

    # Ending.

    def next(self) -> None:
        """Read the next request, or end: the answer is sent."""
        self._task, self._begun = None, b""
        if self._state is _State.CLOSED:
            return
        if not self.is_last:
            self._state = _State.IDLE
            self.within(self._limits.idle_s)
        elif self._missing > 0:
            self._state = _State.LINGER
            self.within(self._limits.linger_s)
            self.transport.resume_reading()
        else:
            self.close()

    def _refuse(self, status: int) -> None:
        self.transport.write(exchange.serialised(exchange.refusal(status), is_last=True))
        self.close()

    def close(self) -> None:
        """Read nothing more, and end when all is sent, or is not read for too long."""
        self._state, self._begun = _State.CLOSED, b""
        self.transport.close()
        self.within(self._limits.unread_s)

    def _abandon(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _left(self) -> None:
        self._task = None
        self._shared.connections.discard(self)
        self._shared.gate.leave(self._entered)
        if not self._shared.connections:
            self._shared.gone.set()

    # What the server calls.

    def expire(self) -> None:
        """Cut off a peer that let the deadline pass."""
        if self.is_blocked or self._state is _State.CLOSED:
            self.transport.abort()
        elif self._state is _State.HEAD or self._state is _State.BODY:
            self._abandon()
            self._refuse(408)
        elif self._socket is not None and self._state is _State.SOCKET:
            self._socket.expire()
        else:
            self.close()

    def drain(self) -> None:
        """End with the answer to the present request; at once if there is none."""
        self.is_last = True
        if self._state is _State.IDLE:
            self.close()

    def end_stream(self) -> None:
        """End what has no end of its own: a streamed answer, a WebSocket, a peer that leaves TLS's end unanswered.

        Such a peer has all that was sent. It may be a client that reads again only with its next request.
        """
        if self._state is _State.CLOSED:
            if not self.transport.get_write_buffer_size():
                self.transport.abort()
        elif self._socket is not None:
            self._socket.shut(1001)
        elif self.is_streaming:
            self._abandon()
            self.close()

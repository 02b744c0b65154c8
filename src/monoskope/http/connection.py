"""One connection of a server: it reads one request at a time, lets the application answer, and keeps the limits.

No request has a timer. A connection has one deadline, and the server looks at all of them twice a second.
"""

from __future__ import annotations

import asyncio
import enum
import io
import math
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TypeAlias, TypeGuard

from monoskope.host_port import peer_name
from monoskope.http import answers, heads
from monoskope.http.heads import Framing
from monoskope.http.limits import MOST_HEAD, Limits
from monoskope.http.messages import Accepted, Application, Decision, EndedError, Head, Response, Streamed, Upgrade
from monoskope.http.websocket import ServedSocket, agreed

Tell: TypeAlias = Callable[[Exception], None]
"""What hears of a defect of the application."""

PORTION = 65_536
"""A peer that does not read must take so many bytes of what waits for it in each `unread_s`."""

_PROBES = (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))


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


@dataclass(slots=True)
class Shared:
    """What the connections of one server have in common."""

    application: Application
    limits: Limits
    tell: Tell
    connections: set[Connection] = field(default_factory=set)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    is_draining: bool = False


class Connection(asyncio.Protocol):
    """A connection. The event loop calls it; `expire`, `drain` and `end_stream` are the server's."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._limits = shared.limits
        self._loop = asyncio.get_running_loop()
        self._state = _State.IDLE
        self._begun = b""
        self._body: io.BytesIO | None = None
        self._missing = 0
        self._is_last = False
        self._is_streaming = False
        self._is_blocked = False
        self._unsent = 0
        self._task: asyncio.Task[None] | None = None
        self._whole: asyncio.Future[None] | None = None
        self._can_write = asyncio.Event()
        self._can_write.set()
        self._socket: ServedSocket | None = None
        self.deadline = math.inf

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection, or close it if there are too many."""
        if not isinstance(transport, asyncio.Transport) and not hasattr(transport, "write"):
            raise TypeError("a connection needs a transport of streams")
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]  # uvloop's are no subclasses
        if len(self._shared.connections) >= self._limits.most or self._shared.is_draining:
            self._state = _State.CLOSED
            self.transport.abort()
            return
        self._shared.connections.add(self)
        self._peer = _named(self.transport.get_extra_info("peername"))
        _keep_alive(self.transport.get_extra_info("socket"))
        self.within(self._limits.idle_s or self._limits.head_s)

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
        self.deadline = math.inf
        self._can_write.set()
        if self._socket is not None:
            self._socket.lost()
        if self._task is None:
            self._left()
        else:
            self._task.add_done_callback(lambda _: self._left())
            self._abandon()

    def pause_writing(self) -> None:
        """Note that the peer reads too slowly."""
        self._is_blocked = True
        self._can_write.clear()
        self._unsent = self.transport.get_write_buffer_size()
        self.deadline = self._loop.time() + self._limits.unread_s

    def resume_writing(self) -> None:
        """Note that the peer has read enough."""
        self._is_blocked = False
        self._can_write.set()
        if self._state is _State.CLOSED:
            return
        self.deadline = math.inf
        if self._socket is not None:
            self._socket.arm()

    # Reading.

    def _read_head(self, data: bytes) -> None:
        seen = len(self._begun)
        raw = self._begun + data if seen else data
        end = raw.find(heads.END, max(0, seen - 3)) + len(heads.END)
        is_complete = end >= len(heads.END)
        if (end if is_complete else len(raw)) > MOST_HEAD:
            self._refuse(431)
        elif is_complete:
            self._begun = b""
            self._begin(raw, end)
        elif not heads.is_beginning(raw):
            self._refuse(400)
        else:
            if not seen:
                self.within(self._limits.head_s)
            self._state, self._begun = _State.HEAD, raw

    def _begin(self, raw: bytes, end: int) -> None:
        found = heads.parsed(raw[:end], self._peer)
        if isinstance(found, Response):
            self._refuse(found.status)
            return
        head, framing = found
        self._state = _State.BUSY
        self.within(math.inf)
        self._is_last = framing.is_last or self._shared.is_draining or not self._limits.idle_s
        rest = raw[end : end + framing.length]
        self._missing = framing.length - len(rest)
        self._begun = rest
        if len(raw) > end + framing.length:
            self._too_early()
        elif self._missing:
            # Nothing more is taken before the application has seen the head.
            self.transport.pause_reading()
        self._task = self._loop.create_task(self._serve(head, framing))

    def _read_body(self, data: bytes) -> None:
        if self._body is None:
            raise AssertionError("a body is read only where there is a place for it")
        surplus = len(data) - self._missing
        self._body.write(data[: self._missing] if surplus > 0 else data)
        self._missing = max(0, -surplus)
        if surplus >= 0:
            self._state = _State.BUSY
            self.within(math.inf)
            if self._whole is not None and not self._whole.done():
                self._whole.set_result(None)
        if surplus > 0:
            self._too_early()

    def _too_early(self) -> None:
        """Something came before the answer was sent: pipelined. It is not read, and the answer is the last one."""
        self._is_last = True
        self.transport.pause_reading()

    # Serving. Arguments live as long as their call: so they are passed on, and nothing else refers to them.

    async def _serve(self, head: Head, framing: Framing) -> None:
        try:
            decision = await self._shared.application.accept(head)
            if _is_upgrade(decision):
                key = agreed(head) if not framing.length and not self._is_last else answers.refusal(400)
                del head
                if not isinstance(key, Response):
                    await self._serve_socket(decision, key)
                    return
                self._is_last, decision = True, key
            else:
                del head
            await self._send(await self._answer(decision, framing), framing)
        except Exception as error:  # noqa: BLE001 - a defect of one request ends nothing else
            self._shared.tell(error)
            self._fail()
        self._next()

    async def _answer(self, decision: Decision, framing: Framing) -> Response | Streamed:
        if isinstance(decision, Response):
            return decision
        if not _is_accepted(decision):
            raise TypeError("a decision is a Response, an Accepted or an Upgrade")
        if framing.length > decision.most_body:
            return answers.refusal(413)
        return await decision.answer(await self._whole_body(framing))

    async def _whole_body(self, framing: Framing) -> bytes:
        begun, self._begun = self._begun, b""
        if not self._missing:
            return begun
        self._body = io.BytesIO()
        self._body.write(begun)
        del begun
        self._state = _State.BODY
        self.within(self._limits.body_s + framing.length / self._limits.body_rate)
        if framing.waits:
            self.transport.write(answers.CONTINUE)
        self._whole = self._loop.create_future()
        self.transport.resume_reading()
        await self._whole
        body, self._body = self._body, None
        return body.getvalue()

    async def _send(self, answer: Response | Streamed, framing: Framing) -> None:
        self._is_last |= self._missing > 0
        if isinstance(answer, Response):
            if self._state is _State.BUSY:
                self.transport.write(answers.serialised(answer, is_last=self._is_last, is_head=framing.is_head))
        else:
            try:
                await self._stream(answer, framing)
            finally:
                await _closed(answer.pieces)
        # What is asked for and not read must not pile up.
        await self.writable()

    async def _stream(self, answer: Streamed, framing: Framing) -> None:
        self._is_last |= framing.is_old
        kind = b"" if framing.is_old else b"Transfer-Encoding: chunked\r\n"
        begin = answers.head(answer.status, answer.headers, kind, is_last=self._is_last)
        self._is_streaming = True
        self.transport.write(begin)
        if not framing.is_head:
            async for piece in answer.pieces:
                if piece:
                    self.transport.write(piece if framing.is_old else answers.chunk(piece))
                    await self.writable()
            if not framing.is_old:
                self.transport.write(answers.LAST_CHUNK)
        self._is_streaming = False

    async def _serve_socket(self, upgrade: Upgrade, key: str) -> None:
        served = self._socket = ServedSocket(self, upgrade.most_message, self._limits)
        self._state = _State.SOCKET
        served.open(key)
        try:
            await upgrade.serve(served)
        except EndedError:
            pass
        except Exception as error:  # noqa: BLE001 - as for every request
            self._shared.tell(error)
            served.shut(1011)
        served.shut(1000)
        self._task = None

    # Ending.

    def _fail(self) -> None:
        """Say that there is a defect. If a part of the answer is sent already, only its missing end can say it."""
        self._is_last = True
        if not self._is_streaming and self._state is _State.BUSY:
            self.transport.write(answers.serialised(answers.refusal(500), is_last=True))

    def _next(self) -> None:
        self._task, self._begun = None, b""
        if self._state is _State.CLOSED:
            return
        if not self._is_last:
            self._state = _State.IDLE
            self.within(self._limits.idle_s)
        elif self._missing > 0:
            self._state = _State.LINGER
            self.within(self._limits.linger_s)
            self.transport.resume_reading()
        else:
            self.close()

    def _refuse(self, status: int) -> None:
        self.transport.write(answers.serialised(answers.refusal(status), is_last=True))
        self.close()

    def close(self) -> None:
        """Read nothing more, and end when all is sent, or is not read for too long."""
        self._state, self._begun = _State.CLOSED, b""
        self.transport.close()
        self.within(self._limits.unread_s)

    def _abandon(self) -> None:
        """Cancel what the application does for a peer that is gone."""
        if self._task is not None:
            self._task.cancel()

    def _left(self) -> None:
        self._task = None
        self._shared.connections.discard(self)
        if not self._shared.connections:
            self._shared.gone.set()

    # What the server calls.

    def expire(self) -> None:
        """Cut off a peer that let the deadline pass."""
        if self._is_blocked:
            self._expire_unread()
        elif self._state is _State.HEAD or self._state is _State.BODY:
            self._abandon()
            self._refuse(408)
        elif self._socket is not None and self._state is _State.SOCKET:
            self._socket.expire()
        elif self._state is _State.CLOSED:
            self.transport.abort()
        else:
            self.close()

    def _expire_unread(self) -> None:
        unsent = self.transport.get_write_buffer_size()
        if unsent > self._unsent - PORTION:
            self.transport.abort()
            return
        self._unsent = unsent
        self.deadline += self._limits.unread_s

    def drain(self) -> None:
        """End with the answer to the present request; at once if there is none."""
        self._is_last = True
        if self._state is _State.IDLE:
            self.close()

    def end_stream(self) -> None:
        """End what has no end of its own: a streamed answer, a WebSocket."""
        if self._socket is not None:
            self._socket.shut(1001)
        elif self._is_streaming:
            self._abandon()
            self.close()

    # What a WebSocket calls besides.

    @property
    def is_blocked(self) -> bool:
        """Whether the peer reads too slowly."""
        return self._is_blocked

    async def writable(self) -> None:
        """Wait until the peer has read enough, or is gone."""
        await self._can_write.wait()

    def within(self, seconds: float) -> None:
        """Set the deadline. While the peer does not read, the one for reading stays."""
        if not self._is_blocked:
            self.deadline = self._loop.time() + seconds


def _is_upgrade(decision: Decision) -> TypeGuard[Upgrade]:
    return hasattr(decision, "serve")


def _is_accepted(decision: Decision) -> TypeGuard[Accepted]:
    return hasattr(decision, "most_body")


async def _closed(pieces: AsyncIterator[bytes]) -> None:
    close = getattr(pieces, "aclose", None)
    if close is not None:
        await close()


def _named(peer: object) -> str:
    return peer_name(peer[0], peer[1]) if isinstance(peer, tuple) else "unix:"


def _keep_alive(connection: socket.socket | None) -> None:
    """Let the system find out that the other machine is gone without a word."""
    if connection is None or connection.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    for name, value in _PROBES:
        option = getattr(socket, name, None)
        if option is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

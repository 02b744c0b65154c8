"""HTTP and WebSockets: whoever can reach a port, and whatever answers at an address."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.uri import WebSocketURI

from monoskope.http.client.destination import BrokenError, MalformedError, NotSentError, Proxy, Server, TooLargeError
from monoskope.http.client.exchange import ResponseReader, Tunnel
from monoskope.http.client.websocket_client import ClientSocket
from monoskope.http.messages import EndedError
from monoskope.http.server import exchange
from monoskope.http.server.limits import Limits
from monoskope.http.server.websocket import ServedSocket
from tests.unit.http.wire import Asked, Wire
from tools.fuzz.reader import FindingError, Reader

if TYPE_CHECKING:
    from monoskope.http.server.connection import Connection

T = TypeVar("T")

_MOST_BODY = 4_096
_GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
_POST = b"POST /p?q=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc"
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nA: b\r\n\r\n"
_OPENED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)

_loop: list[asyncio.AbstractEventLoop] = []


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` on the one loop of this process."""
    if not _loop:
        _loop.append(asyncio.new_event_loop())
    return _loop[0].run_until_complete(work)


def _served(content: bytes) -> tuple[list[object], list[bytes]]:
    """Return what an application is asked, and check that it does not depend on how the bytes were cut."""
    whole = run(_asked([content]))
    cut = run(_asked([content[at : at + 7] for at in range(0, min(len(content), 700), 7)] + [content[700:]]))
    # What comes before an answer was sent is thrown away: so the first request alone is the same.
    if [one[:1] for one in whole] != [one[:1] for one in cut]:
        raise FindingError(f"cut, these bytes mean {cut!r} and not {whole!r}")
    return whole


async def _asked(parts: Iterable[bytes]) -> tuple[list[object], list[bytes]]:
    application = Asked(_MOST_BODY)
    wire = Wire(application)
    await wire.feed(*parts)
    wire.close()
    await wire.settled()
    if wire.told:
        raise wire.told[0]
    return list(application.heads), application.bodies


def _answered(content: bytes) -> tuple[object, ...]:
    """Return an answer, read as it came; cut into bytes it must be the same one."""
    whole, cut = _read([content]), _read([content[at : at + 1] for at in range(len(content))])
    if whole != cut:
        raise FindingError(f"cut, these bytes mean {cut!r} and not {whole!r}")
    return whole


def _read(parts: Iterable[bytes]) -> tuple[object, ...]:
    reader = ResponseReader("POST", most_body=_MOST_BODY)
    try:
        for part in parts:
            reader.feed(part)
            if reader.complete:
                break
        reader.end()
    except (BrokenError, MalformedError, TooLargeError):
        return ("refused",)
    answer = reader.answer()
    return (answer.status, answer.headers, answer.body)


class _Transport(asyncio.Transport):
    """A transport into nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.is_over = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Forget `data`."""

    def is_closing(self) -> bool:
        """Return whether it was closed."""
        return self.is_over

    def is_reading(self) -> bool:
        """Return whether it reads: always."""
        return True

    def pause_reading(self) -> None:
        """Read on all the same."""

    resume_reading = pause_reading

    def close(self) -> None:
        """End."""
        self.is_over = True

    abort = close


class _Carrier:
    """A connection of a server's WebSocket."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport = _Transport()
        self.is_blocked = False

    async def writable(self) -> None:
        """Be so at once."""

    def within(self, seconds: float) -> None:
        """Have no deadline."""

    def close(self) -> None:
        """End."""
        self.transport.close()


async def _messages(receive: Callable[[], Coroutine[Any, Any, bytes | str]], waits: Callable[[], bool]) -> list[object]:
    found: list[object] = []
    for _ in range(64):
        if waits():
            break
        try:
            found.append(await receive())
        except EndedError:
            found.append(EndedError)
            break
    return found


async def _served_socket(content: bytes) -> list[object]:
    carrier = _Carrier()
    socket = ServedSocket(cast("Connection", carrier), _MOST_BODY, Limits())
    socket.feed(content)
    # Whoever would wait for more bytes is asked no more: `receive` would not come back.
    receiving = asyncio.ensure_future(_messages(socket.receive, lambda: False))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    socket.lost()
    return await receiving


async def _client_socket(content: bytes) -> list[object]:
    protocol = ClientProtocol(WebSocketURI(secure=True, host="a", port=443, path="/", query=""), max_size=_MOST_BODY)
    socket = ClientSocket(protocol, 1e6, 1e6)
    socket.connection_made(_Transport())
    if not content[:1] or content[0] & 1:
        protocol.state = OPEN
        protocol.parser = protocol.parse()
        next(protocol.parser)
        socket.opened.set_result(None)
    socket.data_received(content[1:])
    receiving = asyncio.ensure_future(_messages(socket.receive, lambda: False))
    await asyncio.sleep(0)
    socket.connection_lost(None)
    found = await receiving
    if socket.opened.exception() is not None:
        found.append(type(socket.opened.exception()))
    return found


def _tunnel(content: bytes) -> bool:
    """Return whether a proxy has opened a tunnel."""
    server = Server("m8.example.org", 443, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    return Tunnel(server, Proxy("proxy", 3128)).opened(content)


def _frames(*, mask: bool) -> list[bytes]:
    one = Frame(Opcode.BINARY, b"abc").serialize(mask=mask)
    parts = Frame(Opcode.TEXT, b"a", fin=False).serialize(mask=mask) + Frame(Opcode.CONT, b"b").serialize(mask=mask)
    ends = Frame(Opcode.CLOSE, b"\x03\xe8bye").serialize(mask=mask)
    return [one, parts, Frame(Opcode.PING, b"").serialize(mask=mask) + one, ends]


READERS = (
    Reader(
        "http-head",
        "anybody who reaches a port",
        ("http/server/exchange.py",),
        lambda content: exchange.parsed(content, "127.0.0.1:7"),
        errors=(),
        seeds=lambda: [_GET, _POST.partition(b"abc")[0]],
    ),
    Reader(
        "http-connection",
        "anybody who reaches a port",
        ("http/server/exchange.py", "http/server/connection.py"),
        _served,
        errors=(),
        seeds=lambda: [_GET, _POST, _GET + _POST, b"HEAD / HTTP/1.0\r\n\r\n"],
    ),
    Reader(
        "http-answer",
        "whatever answers as m8, an issuer or an engine",
        ("http/client/exchange.py",),
        _answered,
        errors=(),
        seeds=lambda: [_OK, _CHUNKED, b"HTTP/1.1 100 Continue\r\n\r\n" + _OK, b"HTTP/1.0 200 OK\r\n\r\nuntil the end"],
    ),
    Reader(
        "proxy-tunnel",
        "a proxy on the way",
        ("http/client/destination.py",),
        _tunnel,
        errors=(NotSentError,),
        seeds=lambda: [b"HTTP/1.1 200 Connection established\r\n\r\n", b"HTTP/1.1 407 No\r\n\r\n"],
    ),
    Reader(
        "websocket-of-a-reactor",
        "anybody who reaches the HTTP door",
        ("http/server/websocket.py",),
        lambda content: run(_served_socket(content)),
        errors=(),
        seeds=lambda: _frames(mask=True),
    ),
    Reader(
        "websocket-of-m8",
        "whatever answers as m8",
        ("http/client/websocket_client.py",),
        lambda content: run(_client_socket(content)),
        errors=(),
        seeds=lambda: [b"\x01" + one for one in _frames(mask=False)] + [b"\x00" + _OPENED],
    ),
)

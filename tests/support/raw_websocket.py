"""WebSocket frames (RFC 6455, 5) byte by byte, right and wrong, and a server that says what the test wants."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from monoskope.host_port import HostPort

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN, RSV1 = 0x80, 0x40
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY = re.compile(rb"sec-websocket-key: *(\S+)", re.IGNORECASE)


def frame(opcode: int, content: bytes = b"", *, first: int = FIN, mask: bytes = b"") -> bytes:
    """Return a frame; a client's has a mask of four bytes. `first` is what the first byte holds besides the opcode."""
    masked = 0x80 if mask else 0
    if len(content) < 126:
        length = bytes([masked | len(content)])
    elif len(content) < 65_536:
        length = bytes([masked | 126]) + len(content).to_bytes(2, "big")
    else:
        length = bytes([masked | 127]) + len(content).to_bytes(8, "big")
    if mask:
        content = _masked(content, mask)
    return bytes([first | opcode]) + length + mask + content


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    first, second = await reader.readexactly(2)
    length = second & 0x7F
    if length >= 126:
        length = int.from_bytes(await reader.readexactly(2 if length == 126 else 8), "big")
    mask = await reader.readexactly(4) if second & 0x80 else bytes(4)
    content = await reader.readexactly(length)
    return first & 0x0F, _masked(content, mask)


def _masked(content: bytes, mask: bytes) -> bytes:
    repeated = (mask * (len(content) // 4 + 1))[: len(content)]
    return (int.from_bytes(content, "big") ^ int.from_bytes(repeated, "big")).to_bytes(len(content), "big")


def accepted(key: bytes) -> bytes:
    """Return the answer that opens the WebSocket of a request with that key."""
    accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


Act = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(
    act: Act, *, answer: bytes | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[HostPort]:
    """Serve on a free port; each connection gets `answer`, by default the one that opens it, then `act` goes on."""
    ending: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            ending.add(task)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            found = _KEY.search(head)
            assert found is not None
            writer.write(accepted(found[1]) if answer is None else answer)
            await act(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client is gone
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "localhost", 0, ssl=tls, family=2)
    try:
        yield HostPort("localhost", server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

"""As much of HTTP/2 as a hostile peer of the gRPC door speaks by hand (RFC 9113, RFC 7541)."""

from __future__ import annotations

import asyncio
import struct

_DATA, _HEADERS, _SETTINGS, _PING = 0x0, 0x1, 0x4, 0x6
_ACK, _END_STREAM, _END_HEADERS = 0x1, 0x1, 0x4


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(_SETTINGS, 0, 0)
"""What a client begins with."""


def _string(text: str) -> bytes:
    raw = text.encode()
    length = bytearray([min(len(raw), 0x7F)])
    if len(raw) >= 0x7F:
        rest = len(raw) - 0x7F
        while rest >= 0x80:
            length.append(rest % 0x80 | 0x80)
            rest //= 0x80
        length.append(rest)
    return bytes(length) + raw


def begun_call(path: str, authority: str, token: str = "") -> bytes:
    """Return the head of a gRPC call, on the first stream of a connection."""
    fields = {":method": "POST", ":scheme": "https", ":path": path, ":authority": authority, "te": "trailers"}
    fields |= {"content-type": "application/grpc"} | ({"authorization": f"Bearer {token}"} if token else {})
    block = b"".join(b"\0" + _string(name) + _string(value) for name, value in fields.items())
    return _frame(_HEADERS, _END_HEADERS, 1, block)


def data(content: bytes, *, is_last: bool = False) -> bytes:
    """Return a part of the call's body."""
    return _frame(_DATA, _END_STREAM if is_last else 0, 1, content)


async def stay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer SETTINGS and pings until the connection ends, and never let the peer send more than it may at first."""
    while True:
        head = await reader.readexactly(9)
        length, (kind, flags) = int.from_bytes(head[:3]), head[3:5]
        payload = await reader.readexactly(length)
        if kind in {_SETTINGS, _PING} and not flags & _ACK and not writer.is_closing():
            writer.write(_frame(kind, _ACK, 0, payload if kind == _PING else b""))

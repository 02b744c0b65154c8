"""The names of streams as they are kept: those of requests, as nearly all are, take half the room. Pure."""

from __future__ import annotations

_REQUEST = "upload/"
_MARK = b"\0"
"""Begins the short form. No other name begins with it: none has a NUL."""
_ID = 16


def stored(stream: str) -> bytes:
    """Return the one form in which `stream` is kept."""
    digits = stream.removeprefix(_REQUEST)
    if digits != stream and len(digits) == 2 * _ID and not digits.strip("0123456789abcdef"):
        return _MARK + bytes.fromhex(digits)
    return stream.encode()


def read(body: bytes) -> str | None:
    """Return the stream that is kept as `body`, None if none is."""
    stream = f"{_REQUEST}{body[1:].hex()}" if body.startswith(_MARK) else body.decode(errors="replace")
    return stream if stored(stream) == body else None

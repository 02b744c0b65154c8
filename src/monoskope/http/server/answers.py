"""Answers as bytes: the status line, the header section and the framing (RFC 9112, sections 4 to 7)."""

from __future__ import annotations

import re
from http import HTTPStatus

from monoskope.http.messages import Response

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
"""The interim answer that asks for a body."""

LAST_CHUNK = b"0\r\n\r\n"
"""What ends a chunked body."""

_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_LINES[499] = b"HTTP/1.1 499 Client Closed Request\r\n"  # Connect's, for a call that was cancelled
_ALWAYS = b"X-Content-Type-Options: nosniff\r\n"
_NOT_KEPT = b"Cache-Control: no-store\r\n"
"""For every answer that does not say by itself who may keep it."""
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_VALUE = re.compile(r"[!-~](?:[\t -~]*[!-~])?|", re.ASCII)
_FRAMING = frozenset({"connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"})
_EMPTY = frozenset({204, 304})


def refusal(status: int) -> Response:
    """Return the server's own answer to what no application sees. It says nothing of the request."""
    phrase = HTTPStatus(status).phrase
    return Response(status, (("Content-Type", "text/plain; charset=utf-8"),), f"{status} {phrase}\n".encode())


def serialised(answer: Response, *, is_last: bool, is_head: bool = False) -> bytes:
    """Return a whole answer.

    Args:
        answer: What to say.
        is_last: The connection ends with it.
        is_head: It answers a HEAD: its body is measured and not sent.

    Raises:
        ValueError: a header is malformed, or says what the server alone may say.
    """
    if answer.status in _EMPTY:
        return head(answer.status, answer.headers, b"", is_last=is_last)
    framing = b"Content-Length: %d\r\n" % len(answer.body)
    begin = head(answer.status, answer.headers, framing, is_last=is_last)
    return begin if is_head else begin + answer.body


def head(status: int, headers: tuple[tuple[str, str], ...], framing: bytes, *, is_last: bool) -> bytes:
    """Return the head of an answer. Raises `ValueError` as `serialised`."""
    fields = [_field(name, value) for name, value in headers]
    close = b"Connection: close\r\n" if is_last else b""
    kept = b"" if any(name.lower() == "cache-control" for name, _ in headers) else _NOT_KEPT
    return b"".join((_LINES[status], *fields, framing, kept, _ALWAYS, close, b"\r\n"))


def chunk(piece: bytes) -> bytes:
    """Return a piece of a chunked body. It must not be empty: an empty chunk ends the body."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def _field(name: str, value: str) -> bytes:
    """Return a header field. The one place that lets text into a header section: so nothing can add a line to it."""
    if _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None or name.lower() in _FRAMING:
        raise ValueError("a header of an answer is malformed")
    return f"{name}: {value}\r\n".encode("ascii")

"""One request, from its head to the end of its answer: what the application decides is done, and written as bytes.

The status line, the header section and the framing of answers are those of RFC 9112, sections 4 to 7.
"""

from __future__ import annotations

import functools
import re
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeGuard

from monoskope.http.messages import Accepted, Application, Decision, EndedError, Head, Response, Streamed, Upgrade
from monoskope.http.server.outgoing import SocketCarrier

if TYPE_CHECKING:
    from monoskope.http.server.heads import Framing
    from monoskope.http.server.websocket import ServedSocket  # needs a package that monoctl does not have

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


Tell: TypeAlias = Callable[[Exception], None]
"""What hears of a defect of the application."""


class Carrier(SocketCarrier, Protocol):
    """What a request needs of its connection.

    Attributes:
        is_last: The connection ends with the answer.
        is_streaming: A part of an answer was sent, and its end was not.
    """

    is_last: bool
    is_streaming: bool

    @property
    def is_answerable(self) -> bool:
        """Whether the answer is still awaited: the peer is there, and was not told anything else."""

    @property
    def is_unread(self) -> bool:
        """Whether a part of the body has not been read."""

    async def send(self, data: bytes) -> None:
        """Send `data` as fast as the peer reads."""

    async def whole_body(self, framing: Framing) -> bytes:
        """Return the body, once all of it is here."""

    def upgrade(self, most_message: int) -> ServedSocket:
        """Return the WebSocket that has what comes from now on."""

    def next(self) -> None:
        """Read the next request, or end: the answer is sent."""


# Arguments live as long as their call, and hold tokens: so they are passed on, and dropped before anything that lasts.


async def serve(carrier: Carrier, application: Application, tell: Tell, head: Head, framing: Framing) -> None:
    """Let the application decide about a request, and do that. A defect ends the connection, and nothing else."""
    try:
        decision = await application.accept(head)
        if _is_upgrade(decision):
            from monoskope.http.server.websocket import agreed  # noqa: PLC0415 - as above

            key = agreed(head) if not framing.length and not carrier.is_last else refusal(400)
            del head
            if not isinstance(key, Response):
                await _serve_socket(carrier, decision, key, tell)
                return
            carrier.is_last, decision = True, key
        else:
            del head
        answer = await _answer(carrier, decision, framing)
        del decision
        await _send(carrier, answer, framing)
    except Exception as error:  # noqa: BLE001 - a defect of one request ends nothing else
        tell(error)
        _fail(carrier)
    carrier.next()


async def _answer(carrier: Carrier, decision: Decision, framing: Framing) -> Response | Streamed:
    if isinstance(decision, Response):
        return decision
    if not _is_accepted(decision):
        raise TypeError("a decision is a Response, an Accepted or an Upgrade")
    if framing.length > decision.most_body:
        return refusal(413)
    return await decision.answer(functools.partial(carrier.whole_body, framing))


async def _send(carrier: Carrier, answer: Response | Streamed, framing: Framing) -> None:
    carrier.is_last |= carrier.is_unread
    if isinstance(answer, Response):
        if carrier.is_answerable:
            await carrier.send(serialised(answer, is_last=carrier.is_last, is_head=framing.is_head))
        return
    try:
        await _stream(carrier, answer, framing)
    finally:
        await _close(answer.pieces)


async def _stream(carrier: Carrier, answer: Streamed, framing: Framing) -> None:
    carrier.is_last |= framing.is_old
    kind = b"" if framing.is_old else b"Transfer-Encoding: chunked\r\n"
    begin = head(answer.status, answer.headers, kind, is_last=carrier.is_last)
    carrier.is_streaming = True
    carrier.transport.write(begin)
    if not framing.is_head:
        async for piece in answer.pieces:
            if piece:
                await carrier.send(piece if framing.is_old else chunk(piece))
        if not framing.is_old:
            await carrier.send(LAST_CHUNK)
    carrier.is_streaming = False


def _fail(carrier: Carrier) -> None:
    """Say that there is a defect. If a part of the answer is sent already, only its missing end can say it."""
    carrier.is_last = True
    if not carrier.is_streaming and carrier.is_answerable:
        carrier.transport.write(serialised(refusal(500), is_last=True))


async def _serve_socket(carrier: Carrier, upgrade: Upgrade, key: str, tell: Tell) -> None:
    served = carrier.upgrade(upgrade.most_message)
    served.open(key)
    try:
        await upgrade.serve(served)
    except EndedError:
        pass
    except Exception as error:  # noqa: BLE001 - as for every request
        tell(error)
        served.finish(1011)
    served.finish(1000)


async def _close(pieces: AsyncIterator[bytes]) -> None:
    close = getattr(pieces, "aclose", None)
    if close is not None:
        await close()


def _is_upgrade(decision: Decision) -> TypeGuard[Upgrade]:
    return hasattr(decision, "serve")


def _is_accepted(decision: Decision) -> TypeGuard[Accepted]:
    return hasattr(decision, "most_body")

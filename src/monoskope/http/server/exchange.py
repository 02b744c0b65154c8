"""One request and its answer, at the server's side: its head is parsed, the application decides, the answer is written.

llhttp parses a head, which is then held to one meaning (RFC 9112, sections 3, 5, 6 and 11). Servers and proxies that
frame the same bytes in two ways let one user speak with another's voice (request smuggling). So a request has one
framing here, Content-Length, and everything that could be read otherwise is refused. Answers follow sections 4 to 7.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeGuard, cast

import httptools

from monoskope.http.messages import Accepted, Application, Decision, EndedError, Head, Response, Streamed, Upgrade
from monoskope.http.server.limits import MOST_FIELDS, MOST_TARGET, Tell
from monoskope.times import wall_clock

if TYPE_CHECKING:
    from monoskope.http.server.connection import Connection

END = b"\r\n\r\n"
"""What ends a head."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_WITHOUT_BODY = frozenset({"GET", "HEAD"})
_TARGET = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)(?:\?([A-Za-z0-9._~!$&'()*+,;=:@%/?-]*))?", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%\[\]-]*", re.ASCII)
_LENGTH = re.compile(r"[0-9]{1,15}", re.ASCII)


@dataclass(slots=True)
class Framing:
    """What the server itself needs to know of a request.

    Attributes:
        length: Bytes of its body.
        is_last: The connection ends with its answer.
        is_old: It is of HTTP/1.0.
        is_head: Its answer has no body (RFC 9110, 9.3.2).
        waits: Its sender waits for 100 before the body (RFC 9110, 10.1.1).
    """

    length: int
    is_last: bool
    is_old: bool
    is_head: bool
    waits: bool


def is_beginning(begun: bytes) -> bool:
    """Whether a head can begin like this. What cannot is refused at once, not when the time for it is over."""
    return begun[:1].isalpha() and b"\0" not in begun and begun.count(b"\n") == begun.count(b"\r\n")


def parsed(raw: bytes, peer: str) -> tuple[Head, Framing] | Response:
    """Return what a head says, or the refusal.

    Args:
        raw: All of it, with the empty line at its end.
        peer: Who sent it.
    """
    fields = _Fields()
    parser = httptools.HttpRequestParser(fields)
    try:
        parser.feed_data(raw)
    except httptools.HttpParserInvalidMethodError:
        return refusal(501 if is_beginning(raw) else 400)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        pass  # what is wrong after the head is judged below, by the head alone
    if not fields.is_complete or fields.is_crooked or not _is_clean(raw, len(fields.pairs)):
        return refusal(400)
    method, version = parser.get_method(), parser.get_http_version()
    # The parser takes more than one space between the parts of the request line, and HTTP/0.9, which has no version.
    if not raw.startswith(b"%b %b HTTP/%b\r\n" % (method, fields.url, version.encode("ascii"))):
        return refusal(400)
    if version not in {"1.1", "1.0"}:
        return refusal(505)
    return _judged(method.decode("ascii"), fields, peer, is_old=version == "1.0")


class _Fields:
    """Collects what the parser reports. It does not refer to the parser, so both leave memory with the request."""

    __slots__ = ("is_complete", "is_crooked", "pairs", "url")

    def __init__(self) -> None:
        self.url = b""
        self.pairs: list[tuple[str, str]] = []
        self.is_complete = False
        self.is_crooked = False

    def on_url(self, part: bytes) -> None:
        # A second request in what we take for one head: the parser and this file do not agree where it ends.
        self.is_crooked |= self.is_complete
        self.url += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self.pairs.append((name.decode("ascii").lower(), value.decode("latin-1").strip(" \t")))

    def on_headers_complete(self) -> None:
        self.is_complete = True

    def on_body(self, _: bytes) -> None:
        self.is_crooked = True


def _is_clean(raw: bytes, fields: int) -> bool:
    """Whether each line ends with CRLF, and the parser saw as many fields as there are lines: none is folded."""
    lines = raw.count(b"\r\n")
    return lines == fields + 2 and raw.count(b"\r") == lines and raw.count(b"\n") == lines and b"\0" not in raw


def _judged(method: str, fields: _Fields, peer: str, *, is_old: bool) -> tuple[Head, Framing] | Response:
    headers: dict[str, list[str]] = {}
    for name, value in fields.pairs:
        headers.setdefault(name, []).append(value)
    target = _TARGET.fullmatch(fields.url.decode("latin-1"))
    hosts = headers.get("host", [])
    status = 0
    if len(fields.pairs) > MOST_FIELDS:
        status = 431
    elif method not in _METHODS:
        status = 501
    elif len(fields.url) > MOST_TARGET:
        status = 414
    elif target is None or not _is_one_host(hosts, is_old=is_old):
        status = 400
    length = _length(headers, is_old=is_old)
    if status or target is None or length < 0 or (length and method in _WITHOUT_BODY):
        return refusal(status or (-length if length < 0 else 400))
    expects = headers.get("expect", [])
    if expects and (len(expects) > 1 or expects[0].lower() != "100-continue"):
        return refusal(417)
    options = ",".join(headers.get("connection", [])).lower()
    is_last = is_old or "close" in (option.strip(" \t") for option in options.split(","))
    head = Head(method, target[1], target[2] or "", tuple(fields.pairs), peer)
    return head, Framing(length, is_last, is_old, method == "HEAD", bool(expects) and not is_old)


def _is_one_host(hosts: list[str], *, is_old: bool) -> bool:
    return (len(hosts) == 1 and _HOST.fullmatch(hosts[0]) is not None) or (is_old and not hosts)


def _length(headers: dict[str, list[str]], *, is_old: bool) -> int:
    """Return how long the body is; what is wrong with its framing, as a negative status."""
    lengths = headers.get("content-length", [])
    if "transfer-encoding" in headers:
        return -400 if is_old or lengths else -501
    if not lengths:
        return 0
    if len(lengths) > 1 or _LENGTH.fullmatch(lengths[0]) is None:
        return -400
    return int(lengths[0])


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
    return b"".join((_LINES[status], _date(wall_clock() // 1_000), *fields, framing, kept, _ALWAYS, close, b"\r\n"))


@functools.lru_cache(maxsize=1)
def _date(at_s: int) -> bytes:
    """Return the header that says when an answer was made, by this machine's clock (RFC 9110, 6.6.1)."""
    return f"Date: {formatdate(at_s, usegmt=True)}\r\n".encode("ascii")


def chunk(piece: bytes) -> bytes:
    """Return a piece of a chunked body. It must not be empty: an empty chunk ends the body."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def _field(name: str, value: str) -> bytes:
    """Return a header field. The one place that lets text into a header section: so nothing can add a line to it."""
    if _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None or name.lower() in _FRAMING:
        raise ValueError("a header of an answer is malformed")
    return f"{name}: {value}\r\n".encode("ascii")


# Arguments live as long as their call, and hold tokens: so they are passed on, and dropped before anything that lasts.


async def serve(carrier: Connection, application: Application, tell: Tell, head: Head, framing: Framing) -> None:
    """Let the application decide about a request, and do that. A defect ends the connection, and nothing else."""
    try:
        decision = await application.accept(head)
        if _upgrades(decision):
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


def _upgrades(decision: Decision) -> TypeGuard[Upgrade]:
    return hasattr(decision, "serve")  # `isinstance` looks at every name of a protocol


async def _answer(carrier: Connection, decision: Decision, framing: Framing) -> Response | Streamed:
    if isinstance(decision, Response):
        return decision
    accepted = cast("Accepted", decision)
    if framing.length > accepted.most_body:
        return refusal(413)
    return await accepted.answer(functools.partial(carrier.whole_body, framing))


async def _send(carrier: Connection, answer: Response | Streamed, framing: Framing) -> None:
    carrier.is_last |= carrier.is_unread
    if isinstance(answer, Response):
        if carrier.is_answerable:
            await carrier.send(serialised(answer, is_last=carrier.is_last, is_head=framing.is_head))
        return
    await _stream(carrier, answer, framing)


async def _stream(carrier: Connection, answer: Streamed, framing: Framing) -> None:
    carrier.is_last |= framing.is_old
    kind = b"" if framing.is_old else b"Transfer-Encoding: chunked\r\n"
    begin = head(answer.status, answer.headers, kind, is_last=carrier.is_last)
    carrier.is_streaming = True
    carrier.transport.write(begin)

    async def send(piece: bytes) -> None:
        if piece:
            await carrier.send(piece if framing.is_old else chunk(piece))

    if not framing.is_head:
        await answer.write(send)
        if not framing.is_old:
            await carrier.send(LAST_CHUNK)
    carrier.is_streaming = False


def _fail(carrier: Connection) -> None:
    """Say that there is a defect. If a part of the answer is sent already, only its missing end can say it."""
    carrier.is_last = True
    if not carrier.is_streaming and carrier.is_answerable:
        carrier.transport.write(serialised(refusal(500), is_last=True))


async def _serve_socket(carrier: Connection, upgrade: Upgrade, key: str, tell: Tell) -> None:
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

"""The head of a request: parsed by llhttp, then held to one meaning (RFC 9112, sections 3, 5, 6 and 11).

Servers and proxies that frame the same bytes in two ways let one user speak with another's voice (request smuggling).
So a request has one framing here, Content-Length, and everything that could be read otherwise is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import httptools

from monoskope.http.messages import Head, Response
from monoskope.http.server.answers import refusal
from monoskope.http.server.limits import MOST_FIELDS, MOST_TARGET

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

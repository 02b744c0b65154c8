"""One request of HTTP/1.1 and its answer, at the client's side and free of I/O: bytes in, an answer out (RFC 9112).

`request_head` builds what is sent before a body. A `ResponseReader` is fed what comes back, in pieces of any size. It
takes an answer only if there is one way to read it, and knows where it ends. So what a server sends besides the answer
is never taken for the answer to the next request: the connection is not used again.

httptools reads the head and the chunks. This file imports no event loop and no TLS: `pool` and `blocking` do.

One file, however long: all that moves the reader stands together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import httptools

from monoskope.http.client.destination import (
    BrokenError,
    ExchangeError,
    MalformedError,
    NotSentError,
    Proxy,
    Server,
    TooLargeError,
    UnsendableError,
)
from monoskope.lazy import pattern
from monoskope.value import Unshared

MOST_HEAD = 16 * 1024
"""How many bytes the head of an answer may have, and what surrounds its chunks in excess of their content."""

_MOST_INTERIM = 8
"""How many answers 1xx may come before the final one (RFC 9110, 15.2)."""
_PER_BYTE = 8
"""What may surround a byte of content: a chunk of one byte takes five more."""
_MOST_PIECES = 4_096
"""How many pieces of a body are kept before they are joined: one of two bytes takes fifty."""
_END_OF_HEAD = b"\r\n\r\n"
_LINE = pattern(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\x7e]+ [\x21-\x7e]+", re.ASCII)
_NAME = pattern(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_VALUE = pattern(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?|", re.ASCII)
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "expect", "upgrade", "te", "trailer"})


def request_head(
    method: str, target: str, host: str, headers: Iterable[tuple[str, str]], content_length: int | None
) -> bytes:
    """Return the head of a request, which its body follows as it is.

    Args:
        method: For example `POST`.
        target: The path, with the query, as it is sent: characters that need an escape have theirs.
        host: The server's name, with the port unless it is 443; an IPv6 address in brackets.
        headers: All others than Host and those that say how the request is framed, which are made here.
        content_length: How long the body is in bytes, None for a request that has none.

    Raises:
        UnsendableError: a part is not of the characters that it may have, so that it could be taken for another one.
    """
    if _LINE.fullmatch(f"{method} {target} {host}") is None:
        raise UnsendableError("a method, target or host has characters that cannot be sent")
    lines = [f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n"]
    for name, value in headers:
        if _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None or name.lower() in _OURS:
            raise UnsendableError("a header has a name or characters that cannot be sent")
        lines.append(f"{name}: {value}\r\n")
    if content_length is not None:
        lines.append(f"Content-Length: {content_length}\r\n")
    lines.append("\r\n")
    return "".join(lines).encode("ascii")


def host_header(host: str, port: int) -> str:
    """Return `host` as the header Host names it for a server of HTTPS at `port`."""
    named = f"[{host}]" if ":" in host else host
    return named if port == 443 else f"{named}:{port}"


class Answer(Unshared):
    """A whole answer.

    Attributes:
        status: As HTTP has it, 200 to 599.
        headers: Each name in lower case, with its value, in the order in which they came.
        body: All of it.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: tuple[tuple[str, str], ...], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def header(self, name: str) -> str:
        """Return the value of `name`; "" if there is none, or more than one, since those may contradict each other."""
        return one_header(self.headers, name)

    def __repr__(self) -> str:
        # A header or the body may hold a secret.
        return f"<Answer {self.status}>"


def one_header(headers: tuple[tuple[str, str], ...], name: str) -> str:
    """Return the value of the header `name`, in lower case; "" if there is none, or more than one."""
    values = [value for known, value in headers if known == name]
    return values[0] if len(values) == 1 else ""


class ResponseReader(Unshared):
    """Reads one answer from the bytes that came.

    Args:
        method: Of the request: an answer to `HEAD` has no body.
        most_body: How many bytes of body are taken in all, None for any number: the reader of a stream counts itself.

    Attributes:
        status: 0 until the head of the final answer is here.
        complete: Whether all of the answer is here.
        began: Whether anything came.
    """

    __slots__ = (
        "_chunked", "_framing", "_head", "_headers", "_interim", "_joined", "_keep", "_left", "_most_body", "_no_body",
        "_parser", "_pieces", "_size", "_surplus", "_until_close", "began", "complete", "status",
    )  # fmt: skip

    def __init__(self, method: str, *, most_body: int | None) -> None:
        self.status = 0
        self.complete = False
        self.began = False
        self._no_body = method == "HEAD"
        self._most_body = most_body
        self._head = bytearray()
        self._interim = 0
        # The two hold one another: the last reader lets the parser go, so that no garbage collector has to.
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._pieces: list[bytes] = []
        self._joined = 0
        self._size = 0
        self._left = 0
        self._chunked = False
        self._framing = 0
        self._until_close = False
        self._keep = False
        self._surplus = False

    def __repr__(self) -> str:
        return f"<ResponseReader {self.status} complete={self.complete}>"

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The headers of the final answer, as `Answer.headers`."""
        return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in self._headers)

    @property
    def reusable(self) -> bool:
        """Whether the connection can carry another exchange: the answer is whole, and nothing came besides it."""
        return self.complete and self._keep and not self._surplus

    def feed(self, data: bytes) -> None:
        """Read `data`, which came next.

        Raises:
            MalformedError: this is no answer, or it can be read in two ways.
            TooLargeError: it is larger than allowed.
        """
        if not data:
            return
        self.began = True
        if not self.status:
            data = self._take_heads(data)
        if self.complete:
            self._surplus = self._surplus or bool(data)
        elif self.status and data:
            self._take_body(data)

    def forget(self) -> None:
        """Let go of what is held of an answer that is not read on; nothing can be fed any more."""
        self._parser = None
        self._head.clear()
        self._pieces.clear()

    def end(self) -> None:
        """Note that the server sends nothing any more.

        Raises:
            BrokenError: the answer is not whole.
        """
        if not self.complete and not self._until_close:
            raise BrokenError("the server ended the connection before its answer was whole")
        self.complete = True

    def take(self) -> bytes:
        """Return what came of the body since the last call."""
        pieces, self._pieces, self._joined = self._pieces, [], 0
        return b"".join(pieces)

    def answer(self) -> Answer:
        """Return the whole answer, once it is complete."""
        return Answer(self.status, self.headers, self.take())

    def _take_heads(self, data: bytes) -> bytes:
        """Read heads until the final one, which sets `status`; return what follows it."""
        while True:
            searched = max(0, len(self._head) - len(_END_OF_HEAD) + 1)
            self._head += data
            end = self._head.find(_END_OF_HEAD, searched)
            if end > MOST_HEAD or (end < 0 and len(self._head) > MOST_HEAD):
                raise TooLargeError("the head of the answer is too large")
            if end < 0:
                return b""
            head, data = bytes(self._head[: end + 4]), bytes(self._head[end + 4 :])
            self._head = bytearray()
            status = self._parse_head(head)
            if status >= 200:
                self._frame(status)
                return data
            self._skip(status)

    def _parse_head(self, head: bytes) -> int:
        # The parser would skip empty lines before the first one, and take other versions.
        if not head.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")):
            raise MalformedError("the answer is not one of HTTP/1.1")
        self._keep = head.startswith(b"HTTP/1.1")
        self._parse(head)
        status = 0 if self._parser is None else int(self._parser.get_status_code())
        if not 100 <= status <= 599:
            raise MalformedError("the answer has no status that HTTP knows")
        return status

    def _skip(self, status: int) -> None:
        """Forget an answer 1xx: the final one is still to come."""
        self._interim += 1
        if status == 101 or self._interim > _MOST_INTERIM:
            raise MalformedError("the server changes the protocol, or does not come to its answer")
        self._headers.clear()
        self._parser = httptools.HttpResponseParser(self)

    def _frame(self, status: int) -> None:
        """Decide where the body ends (RFC 9112, 6.3). The parser refused a head that says it in two ways."""
        self.status = status
        coding = [value.lower() for name, value in self._headers if name == b"transfer-encoding"]
        length = [value for name, value in self._headers if name == b"content-length"]
        if coding and (coding != [b"chunked"] or not self._keep):
            raise MalformedError("the answer has a transfer coding that was not asked for")
        options = b",".join(value for name, value in self._headers if name == b"connection").lower().split(b",")
        if b"close" in [option.strip() for option in options]:
            self._keep = False
        if self._no_body or status in {204, 304}:
            self.complete = True
        elif coding:
            self._chunked = True
        elif length:
            self._left = int(length[0])
            self._bound(self._left)
            self.complete = self._left == 0
        else:
            self._until_close = True
            self._keep = False
        if not self._chunked:
            self._parser = None

    def _take_body(self, data: bytes) -> None:
        if self._chunked:
            self._take_chunks(data)
        elif self._until_close:
            self._add(data)
        else:
            content = data[: self._left]
            self._surplus = len(data) > self._left
            self._left -= len(content)
            self._add(content)
            self.complete = self._left == 0

    def _take_chunks(self, data: bytes) -> None:
        before = self._size
        self._parse(data)
        self._bound(self._size)
        self._framing += len(data) - (self._size - before)
        if self._framing > MOST_HEAD + _PER_BYTE * self._size:
            raise TooLargeError("the answer's chunks are surrounded by too much")

    def _parse(self, data: bytes) -> None:
        malformed, interrupted = self._parser is None, False
        try:
            if self._parser is not None:
                self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            # What comes in the middle of a callback reaches us in the parser's own words.
            malformed, interrupted = True, isinstance(error.__context__, KeyboardInterrupt)
        if interrupted:
            raise KeyboardInterrupt
        if malformed or (self._chunked and self.complete):
            self._parser = None
        # Raised out here so that no error of the library, which knows the bytes, hangs on it.
        if malformed and not (self._chunked and self.complete):
            raise MalformedError("the answer is not one of HTTP/1.1 that can be read in one way alone")
        self._surplus = self._surplus or malformed

    def _add(self, content: bytes) -> None:
        self._size += len(content)
        self._bound(self._size)
        self._keep_piece(content)

    def _keep_piece(self, content: bytes) -> None:
        self._pieces.append(content)
        if len(self._pieces) - self._joined >= _MOST_PIECES:
            self._pieces[self._joined :] = [b"".join(self._pieces[self._joined :])]
            self._joined += 1

    def _bound(self, size: int) -> None:
        if self._most_body is not None and size > self._most_body:
            raise TooLargeError("the body of the answer is too large")

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Another answer begins, without a request."""
        self._surplus = self._surplus or self.complete

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header. What follows the last chunk is no part of the answer."""
        if not self._chunked:
            self._headers.append((name.lower(), value.rstrip(b" \t")))

    def on_body(self, content: bytes) -> None:
        """Keep a piece of a chunk, unless it is another answer's."""
        if not self.complete:
            self._size += len(content)
            self._keep_piece(content)

    def on_message_complete(self) -> None:
        """The last chunk is here. Other bodies are counted by this class."""
        if self._chunked:
            self.complete = True


class Tunnel(Unshared):
    """The request for a tunnel to a server, and its answer; free of I/O.

    Attributes:
        request: What is sent to the proxy.
    """

    def __init__(self, server: Server, proxy: Proxy) -> None:
        named = f"[{server.host}]" if ":" in server.host else server.host
        target = f"{named}:{server.port}"
        headers = (("proxy-authorization", proxy.authorization),) if proxy.authorization else ()
        self.request = request_head("CONNECT", target, target, headers, None)
        self._reader = ResponseReader("CONNECT", most_body=0)

    def opened(self, data: bytes) -> bool:
        """Read `data`, which came next, b"" for the end. Return whether the tunnel is open.

        Raises:
            NotSentError: the proxy does not open it.
        """
        if not data:
            raise NotSentError("the proxy ended the connection")
        try:
            self._reader.feed(data)
        except ExchangeError:
            raise NotSentError("the proxy does not open a tunnel") from None
        if not self._reader.status:
            return False
        if not 200 <= self._reader.status < 300:
            raise NotSentError(f"the proxy answers with {self._reader.status}")
        return True

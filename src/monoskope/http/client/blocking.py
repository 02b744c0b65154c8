"""Connections of HTTPS that block their callers, for programs without an event loop. It imports none.

A connection is used again as in `pool`: only if the answer before was read to its end, and nothing came since. On
failure the error says whether anything was sent.

One file, however long: a command imports it, and nothing else, at its start.
"""

from __future__ import annotations

import _thread
import contextlib
import math
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from monoskope.http.client.destination import (
    BrokenError,
    LateError,
    NotSentError,
    Server,
    StaleError,
    readable,
    unconnected,
)
from monoskope.http.client.exchange import Answer, ResponseReader, Tunnel, host_header, request_head

Headers = Sequence[tuple[str, str]]
_Receive = Callable[[ssl.SSLSocket, ResponseReader, float | None], None]
_Address = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]

_PIECE = 64 * 1024
_LATE = "the time for the exchange is over"


class BlockingPool:
    """Connections to one server that are used again. It dials at the first request. Any number of threads may use it.

    Args:
        server: Where it is.
        idle_s: How many seconds a connection may be idle before it is used again.
        connect_timeout_s: How many seconds connecting, with TLS, may take.
        look_s: After so many seconds without a byte of an answer, and again after as many, it calls `look`.
        look: Returns if the server is still there; what it raises ends the request. It is given the seconds that are
            left.
    """

    def __init__(
        self,
        server: Server,
        *,
        idle_s: float = 15.0,
        connect_timeout_s: float = 5.0,
        look_s: float = 10.0,
        look: Callable[[float], None] | None = None,
    ) -> None:
        self._server = server
        self._host = host_header(server.host, server.port)
        self._idle_s = idle_s
        self._connect_timeout_s = connect_timeout_s
        self._look_s = look_s
        self._look = look
        self._idle: deque[tuple[ssl.SSLSocket, float]] = deque()
        """Each with the time of its last exchange, the oldest first."""
        self._busy: dict[ssl.SSLSocket, int] = {}
        """Each with the thread that made its exchange, 0 for a stream."""
        self._closed = False

    def __repr__(self) -> str:
        return f"<BlockingPool {self._host}>"

    def request(
        self,
        method: str,
        target: str,
        headers: Headers = (),
        body: bytes | None = None,
        *,
        timeout_s: float,
        most_body: int,
        fresh: bool = False,
        sent: Callable[[], None] = lambda: None,
    ) -> Answer:
        """Send one request and return its whole answer. Arguments and errors as `Pool.request` has them.

        `sent` is called when the request has been sent, before its answer is awaited.
        """
        deadline = time.monotonic() + timeout_s
        content = self._content(method, target, headers, body)
        # Ctrl-C may come at any line: what takes lines comes before there is a connection to close.
        reader = ResponseReader(method, most_body=most_body)
        whole = False
        connection, used = self._connected(deadline, fresh=fresh)
        try:
            _send(connection, content, deadline)
            sent()
            while not reader.complete:
                self._receive(connection, reader, deadline)
            whole = True
        except BrokenError:
            if used and not reader.began:
                raise StaleError("an idle connection had ended") from None
            raise
        finally:
            self._put_back(connection, reader if whole else None)
        return reader.answer()

    def stream(
        self, method: str, target: str, headers: Headers = (), body: bytes | None = None, *, timeout_s: float
    ) -> Stream:
        """Send one request on a connection of its own and return its answer as soon as the head is here. `close` it.

        Arguments and errors as `Pool.stream` has them.
        """
        deadline = time.monotonic() + timeout_s
        content = self._content(method, target, headers, body)
        reader = ResponseReader(method, most_body=None)
        connection = self._dialled(deadline)
        self._busy[connection] = 0
        try:
            _send(connection, content, deadline)
            while not reader.status:
                _receive(connection, reader, deadline)
        except BaseException:
            self._put_back(connection, None)
            raise
        return Stream(connection, reader, self._receive, lambda: self._put_back(connection, None))

    def close(self) -> None:
        """End the connections; exchanges of other threads end as broken. Safe to call twice."""
        self._closed = True
        while self._idle:
            self._idle.pop()[0].close()
        for connection, thread in list(self._busy.items()):
            if thread == _thread.get_ident():  # it was interrupted
                self._put_back(connection, None)
                continue
            # Not the method of TLS, after which the other thread could go on without encryption.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def _receive(self, connection: ssl.SSLSocket, reader: ResponseReader, deadline: float | None) -> None:
        """Have `reader` read what comes next, and look now and then whether the server is still there."""
        if self._look is None:
            _receive(connection, reader, deadline)
            return
        while True:
            look_at = time.monotonic() + self._look_s
            try:
                _receive(connection, reader, look_at if deadline is None else min(deadline, look_at))
            except LateError:
                if deadline is not None and look_at >= deadline:
                    raise
            else:
                return
            self._look(math.inf if deadline is None else deadline - time.monotonic())

    def _content(self, method: str, target: str, headers: Headers, body: bytes | None) -> bytes:
        head = request_head(method, target, self._host, headers, None if body is None else len(body))
        return head if body is None else head + body

    def _connected(self, deadline: float, *, fresh: bool) -> tuple[ssl.SSLSocket, bool]:
        """Return a connection, and whether it carried an exchange before."""
        while not fresh and (found := self._taken()) is not None:
            connection, since = found
            recent = time.monotonic() - since < self._idle_s
            # TLS 1.3's tickets came before the first answer, so any byte that waits now is too much.
            if recent and not connection.pending() and not readable(connection.fileno()):
                self._busy[connection] = _thread.get_ident()
                return connection, True
            connection.close()
        return self._dialled(deadline), False

    def _dialled(self, deadline: float) -> ssl.SSLSocket:
        made = connect(self._server, min(deadline, time.monotonic() + self._connect_timeout_s))
        self._busy[made] = _thread.get_ident()
        if self._closed:
            self._put_back(made, None)
            raise NotSentError("the pool is closed")
        return made

    def _taken(self) -> tuple[ssl.SSLSocket, float] | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _put_back(self, connection: ssl.SSLSocket, reader: ResponseReader | None) -> None:
        self._busy.pop(connection, None)
        if reader is None or not reader.reusable:
            connection.close()
            return
        self._idle.append((connection, time.monotonic()))
        self._drop_old()
        if self._closed:  # by another thread
            self.close()

    def _drop_old(self) -> None:
        """Close what was idle for too long: connections that a burst of threads left are not used again."""
        while self._idle:
            try:
                connection, since = self._idle.popleft()
            except IndexError:  # another thread took it
                return
            if time.monotonic() - since < self._idle_s:
                self._idle.appendleft((connection, since))
                return
            connection.close()


class Stream:
    """An answer whose body is read piece by piece.

    Attributes:
        status: As HTTP has it.
        headers: As `Answer.headers`.
    """

    def __init__(
        self, connection: ssl.SSLSocket, reader: ResponseReader, receive: _Receive, close: Callable[[], None]
    ) -> None:
        self.status = reader.status
        self.headers = reader.headers
        self._connection = connection
        self._reader = reader
        self._receive = receive
        self._close = close

    def __repr__(self) -> str:
        return f"<Stream {self.status}>"

    def pieces(self, timeout_s: float | None = None) -> Iterator[bytes]:
        """Yield the pieces of the body until its end, and wait for each.

        Args:
            timeout_s: How many seconds to wait for all of them, None for any time.

        Raises:
            BrokenError: the connection broke; `MalformedError` for what came.
            LateError: they did not come in time.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            if piece := self._reader.take():
                yield piece
            elif self._reader.complete:
                return
            else:
                self._receive(self._connection, self._reader, deadline)

    def close(self) -> None:
        """End the connection. Safe to call twice."""
        self._close()


class _Socket(ssl.SSLSocket):
    """Closes itself when its connection breaks.

    Until Python 3.13 `wrap_socket` leaves its new socket open, where nobody can close it, if the connection was reset
    before TLS begins.
    """

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        try:
            return super().recv(buflen, flags)
        except ConnectionError:
            self.close()
            raise


def connect(server: Server, deadline: float) -> ssl.SSLSocket:
    """Return a new connection to `server`, whose certificate has been checked. Blocks; the system looks up the name.

    A name may have several addresses: they are tried in turn, each for its share of the time that is left.

    Args:
        server: Where it is.
        deadline: By `time.monotonic`.

    Raises:
        NotSentError: no address takes a connection, or a proxy opens none.
        UntrustedError: the certificate is not trusted, or the server does not speak TLS.
        LateError: the deadline is over.
    """
    failure: Exception
    try:
        plain = _dialled(*server.dialled, deadline)
        try:
            if server.proxy is not None:
                _open(plain, Tunnel(server, server.proxy), deadline)
            plain.settimeout(_left(deadline, sent=False))
            # An end without TLS's own word for it may be an attacker's who cuts an answer off: it is an error.
            # Set by some Pythons, it takes the end of the connection, which an attacker can cause, for the end of TLS.
            server.tls.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
            server.tls.sslsocket_class = _Socket
            return server.tls.wrap_socket(plain, server_hostname=_plain(server.host), suppress_ragged_eofs=False)
        except BaseException:
            plain.close()
            raise
    except OSError as error:
        failure = unconnected(error)
    # Raised out here so that no error of the library, nor what it holds, hangs on it.
    raise failure


def _dialled(host: str, port: int, deadline: float) -> socket.socket:
    found = _addresses(host, port, deadline)
    last: OSError = OSError("the name has no address")
    for number, (family, _, _, _, address) in enumerate(found):
        plain = socket.socket(family, socket.SOCK_STREAM)
        try:
            plain.settimeout(_left(deadline, sent=False) / (len(found) - number))
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.connect(address)
        except OSError as error:  # of which a TimeoutError is one
            plain.close()
            last = error
        except BaseException:
            plain.close()
            raise
        else:
            return plain
    raise last


def _addresses(host: str, port: int, deadline: float) -> list[_Address]:
    """Return the addresses of `host`. The system's own look-up knows no deadline, so it has a thread of its own.

    That is none of `threading`, which a command loads for nothing else, and the process does not wait for it.
    """
    found: list[_Address] = []
    failed: list[OSError] = []
    ended = _thread.allocate_lock()
    ended.acquire()

    def look_up() -> None:
        try:
            found.extend(socket.getaddrinfo(_plain(host), port, type=socket.SOCK_STREAM))
        except OSError as error:
            failed.append(error)
        except UnicodeError:  # a part of the name is empty, or longer than a name's parts can be
            pass
        ended.release()

    _thread.start_new_thread(look_up, ())
    if not ended.acquire(timeout=_left(deadline, sent=False)):
        raise LateError(_LATE, sent=False)
    if failed:
        raise failed[0]
    return found


def _plain(host: str) -> bytes | str:
    """Return a host for the standard library, which loads tables of Unicode for any text, but not for bytes."""
    return host.encode("ascii") if host.isascii() else host


def _open(plain: socket.socket, tunnel: Tunnel, deadline: float) -> None:
    plain.settimeout(_left(deadline, sent=False))
    plain.sendall(tunnel.request)
    while not tunnel.opened(plain.recv(_PIECE)):
        plain.settimeout(_left(deadline, sent=False))


def _send(connection: ssl.SSLSocket, content: bytes, deadline: float) -> None:
    sent, late = 0, False
    try:
        # Piece by piece: `sendall` of TLS would give each piece the whole time.
        with memoryview(content) as left:
            while sent < len(content):
                connection.settimeout(_left(deadline, sent=sent > 0))
                sent += connection.send(left[sent:])
    except TimeoutError:
        late = True
    except OSError:
        pass
    else:
        return
    # Raised out here so that no error of the library, which knows the bytes, hangs on it.
    raise LateError(_LATE, sent=True) if late else BrokenError("the connection broke")


def _receive(connection: ssl.SSLSocket, reader: ResponseReader, deadline: float | None) -> None:
    """Wait for what comes next, and have `reader` read it."""
    connection.settimeout(None if deadline is None else _left(deadline, sent=True))
    data, late, broken = b"", False, False
    try:
        data = connection.recv(_PIECE)
    except TimeoutError:
        late = True
    except ssl.SSLZeroReturnError:
        pass  # the end, by TLS's own word for it
    except OSError:
        broken = True
    if late:
        raise LateError(_LATE, sent=True)
    if broken:
        raise BrokenError("the connection broke")
    if data:
        reader.feed(data)
    else:
        reader.end()


def _left(deadline: float, *, sent: bool) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise LateError(_LATE, sent=sent)
    return left

"""One connection of a pool on asyncio: how it is made, and how it carries one exchange after the other.

One file, however long: what a connection does at any moment depends on all of its state.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import Any, cast

from monoskope.http.client.destination import (
    BrokenError,
    ExchangeError,
    LateError,
    NotSentError,
    Server,
    readable,
    unconnected,
)
from monoskope.http.client.exchange import ResponseReader, Tunnel

_ENDED = "the connection had ended"
_MOST_UNREAD = 64 * 1024
"""How much of a stream waits here for its reader before the server has to wait, in bytes."""


class Connection(asyncio.Protocol):
    """Carries one exchange after the other.

    Attributes:
        used: Whether it carried an exchange before the present one.
        idle_since: When the last exchange ended, by the event loop's clock.
        ended: Done when the connection is gone.
    """

    def __init__(self) -> None:
        self.used = False
        self.idle_since = 0.0
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._reader: ResponseReader | None = None
        self._only_head = False
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._failure: ExchangeError | None = None
        self._told: ExchangeError | None = None
        self._sent = False
        self._unread = 0
        self._paused = False
        self._said_its_end = False
        self._exchanges = 0

    def __repr__(self) -> str:
        return f"<Connection exchanges={self._exchanges}>"

    async def exchange(
        self, content: bytes, reader: ResponseReader, deadline: float, *, only_head: bool = False
    ) -> None:
        """Send `content`, head and body, and have `reader` read the answer.

        Args:
            content: The request as it is sent.
            reader: Complete when this returns, unless `only_head`.
            deadline: By the event loop's clock.
            only_head: Return as soon as the head of the final answer is here.

        Raises:
            NotSentError: the connection had ended.
            BrokenError: it ended, or what came is no answer.
            LateError: the deadline is over.
        """
        self.used = self._exchanges > 0
        self._exchanges += 1
        if self._transport is None or self._failure is not None or self._transport.is_closing():
            raise NotSentError(_ENDED)
        self._reader, self._only_head = reader, only_head
        self._sent = True
        self._transport.write(content)
        del content
        await self._wait(deadline)

    async def receive(self, reader: ResponseReader, timeout_s: float | None) -> bytes:
        """Return what came of the body of `reader`, once there is some; b"" at its end. Raises as `exchange`."""
        while True:
            piece = reader.take()
            if piece or reader.complete:
                self._read_on()
                return piece
            self._read_on()
            await self._wait(None if timeout_s is None else self._loop.time() + timeout_s)

    def reusable(self) -> bool:
        """Whether it can carry another exchange: the answer is whole, the request is, and nothing came besides."""
        reader, self._reader = self._reader, None
        whole = reader is not None and reader.reusable
        if reader is not None and not reader.complete:
            reader.forget()
        unsent = self._transport is None or self._transport.get_write_buffer_size() > 0
        return whole and self._open() and not unsent and not self._paused

    def alive(self) -> bool:
        """Return whether nothing came since the last exchange, not even the end of the connection."""
        if not self._open() or self._transport is None:
            return False
        found = self._transport.get_extra_info("socket")
        return found is not None and not readable(found.fileno())

    def close(self) -> None:
        """End it at once, with what was not sent yet."""
        self._fail(BrokenError("the connection was closed here"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, which has what a transport of asyncio has, though uvloop's is none by its type."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Have the reader read `data`; close the connection if it is idle, or if this is no answer."""
        reader = self._reader
        if reader is None:
            self._fail(BrokenError("something came on an idle connection"))
            return
        try:
            reader.feed(data)
        except ExchangeError as error:
            self._fail(error.with_traceback(None))
            return
        if self._only_head:
            self._hold(len(data))
        if reader.complete or (self._only_head and reader.status):
            self._wake()

    def eof_received(self) -> None:
        """Note whether the server ended by TLS's own word for it; `connection_lost` follows."""
        tls = None if self._transport is None else self._transport.get_extra_info("ssl_object")
        self._said_its_end = tls is not None and _has_ended(tls)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the reader of the end, which may be the answer's, and the coroutine that waits.

        An end without TLS's own word for it may be an attacker's who cuts an answer off: it is never an answer's.
        """
        del exc
        failure: ExchangeError = BrokenError("the connection broke")
        if self._reader is not None and self._failure is None and self._said_its_end:
            try:
                self._reader.end()
            except ExchangeError as error:
                failure = error.with_traceback(None)
            else:
                self._wake()
        self._fail(failure)
        if not self.ended.done():
            self.ended.set_result(None)

    def _open(self) -> bool:
        return self._failure is None and self._transport is not None and not self._transport.is_closing()

    async def _wait(self, deadline: float | None) -> None:
        """Wait until the reader has what it should, or the connection fails. A cancelled wait closes the connection."""
        if self._failure is not None:
            failure, self._failure = self._failure, BrokenError(_ENDED)
            raise failure
        waiter = self._waiter = self._loop.create_future()
        if deadline is not None:
            self._timer = self._loop.call_at(deadline, self._expire)
        try:
            await waiter
        except asyncio.CancelledError:
            self.close()
            self._told = None
            raise
        finally:
            self._waiter = None
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        if (told := self._told) is not None:
            self._told = None
            try:
                raise told
            finally:
                del told  # it holds this frame

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _expire(self) -> None:
        self._fail(LateError("the time for the exchange is over", sent=self._sent))

    def _fail(self, failure: ExchangeError) -> None:
        """Close the connection, and tell the coroutine that waits, or will wait. The first failure counts.

        What was raised is not kept: its frames have this connection, and what was asked and answered.
        """
        if self._failure is None:
            waiting = self._waiter is not None and not self._waiter.done()
            self._failure = BrokenError(_ENDED) if waiting else failure
            if waiting and self._waiter is not None:
                self._told = failure  # not the future's: some Pythons hold that for longer
                self._waiter.set_result(None)
        if self._transport is not None:
            self._transport.abort()

    def _hold(self, size: int) -> None:
        """Let the server wait if its stream is not read as fast as it comes."""
        self._unread += size
        if self._unread > _MOST_UNREAD and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def _read_on(self) -> None:
        self._unread = 0
        if self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()


def _has_ended(tls: ssl.SSLObject) -> bool:
    """Return whether TLS's own word for the end came: asyncio calls an end of the TCP connection by the same name."""
    try:
        return not tls.read(1)
    except ssl.SSLZeroReturnError:
        return True
    except ssl.SSLError:
        return False


async def connect(server: Server, deadline: float) -> Connection:
    """Return a new connection to `server`, whose certificate has been checked.

    A name may have several addresses: they are tried in turn, each for its share of the time that is left, so that one
    that never answers does not stand before the others.

    Args:
        server: Where it is.
        deadline: By the event loop's clock.

    Raises:
        NotSentError: no address takes a connection, or a proxy opens none.
        UntrustedError: the certificate is not trusted, or the server does not speak TLS.
        LateError: the deadline is over.
    """
    failure: Exception
    try:
        async with asyncio.timeout_at(deadline):
            plain = await _connected(*server.dialled, deadline)
            try:
                if server.proxy is not None:
                    await _open(plain, Tunnel(server, server.proxy))
            except BaseException:
                plain.close()
                raise
            return await _secured(plain, server.host, server.tls)
    except OSError as error:
        failure = unconnected(error)
    # Raised out here so that no error of the library, nor what it holds, hangs on it.
    raise failure


async def _connected(host: str, port: int, deadline: float) -> socket.socket:
    loop = asyncio.get_running_loop()
    last: OSError = OSError("the name has no address")
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:  # a part of the name is empty, or longer than a name's parts can be
        found = []
    for number, (family, _, _, _, address) in enumerate(found):
        share = (deadline - loop.time()) / (len(found) - number)
        try:
            async with asyncio.timeout(share):
                return await _dialled(family, address)
        except OSError as error:  # of which a TimeoutError is one
            last = error
    raise last


async def _dialled(family: int, address: tuple[Any, ...]) -> socket.socket:
    plain = socket.socket(family, socket.SOCK_STREAM)
    try:
        plain.settimeout(0)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(plain, address)
    except BaseException:
        plain.close()
        raise
    return plain


async def _open(plain: socket.socket, tunnel: Tunnel) -> None:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(plain, tunnel.request)
    while not tunnel.opened(await loop.sock_recv(plain, 4_096)):
        pass


async def _secured(plain: socket.socket, host: str, tls: ssl.SSLContext) -> Connection:
    loop = asyncio.get_running_loop()
    try:
        _, connection = await loop.create_connection(Connection, sock=plain, ssl=tls, server_hostname=host)
    except BaseException:
        # The event loop has the socket now, and closes it at its end. If it were closed here, its descriptor could be
        # another connection's while the event loop still reads there.
        with contextlib.suppress(OSError):
            plain.shutdown(socket.SHUT_RDWR)
        raise
    return connection

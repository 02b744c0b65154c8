"""Connections of HTTPS to one server that are kept and used again, on asyncio.

A connection carries one exchange at a time. It is used again only if the answer before was read to its end and nothing
came since: bytes on an idle connection close it. Every exchange has one deadline, and a cancelled one closes its
connection, since an answer would still come there.

On failure the error says whether anything was sent: `NotSentError`, `LateError.sent`, and every other one. A request is
sent a second time only if `repeat` allows it, and only where an idle connection ended before any byte of an answer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence

from monoskope.http.client.connection import Connection, connect
from monoskope.http.client.destination import BrokenError, LateError, NotSentError, Server, StaleError
from monoskope.http.client.exchange import Answer, ResponseReader, host_header, request_head

__all__ = ["Headers", "Pool", "Server", "Stream"]

Headers = Sequence[tuple[str, str]]


class Pool:
    """Connections to one server. Made inside a running event loop; `close` it.

    Args:
        server: Where it is.
        most_connections: How many there may be at once; further requests wait for one.
        idle_s: How many seconds a connection is kept without being used.
        connect_timeout_s: How many seconds connecting, with TLS, may take.
    """

    def __init__(
        self, server: Server, *, most_connections: int = 32, idle_s: float = 15.0, connect_timeout_s: float = 5.0
    ) -> None:
        self._server = server
        self._host = host_header(server.host, server.port)
        self._idle_s = idle_s
        self._connect_timeout_s = connect_timeout_s
        self._loop = asyncio.get_running_loop()
        self._places = asyncio.Semaphore(most_connections)
        self._idle: deque[Connection] = deque()
        self._busy: set[Connection] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<Pool {self._host}>"

    async def request(
        self,
        method: str,
        target: str,
        headers: Headers = (),
        body: bytes | None = None,
        *,
        timeout_s: float,
        most_body: int,
        repeat: bool = False,
        fresh: bool = False,
    ) -> Answer:
        """Send one request and return its whole answer, of any status.

        Args:
            method: For example `POST`.
            target: The path, with the query, as it is sent.
            headers: All but Host and what frames the request.
            body: All of it, None for none.
            timeout_s: How many seconds it may take in all, with connecting.
            most_body: How many bytes the body of the answer may have.
            repeat: Whether it may be sent once more where an idle connection ended before it answered.
            fresh: Whether to make a new connection for it.

        Raises:
            NotSentError: nothing was sent; `UntrustedError` if TLS refused the connection.
            UnsendableError: a header or the target has characters that cannot be sent; nothing was.
            BrokenError: it may have reached the server. `StaleError` if an idle connection had ended;
                `MalformedError` and `TooLargeError` for what came back.
            LateError: it took longer than `timeout_s`.
        """
        head = request_head(method, target, self._host, headers, None if body is None else len(body))
        content = head if body is None else head + body
        del body
        deadline = self._loop.time() + timeout_s
        await self._place(deadline)
        try:
            while True:
                connection = await self._connected(deadline, fresh=fresh)
                reader = ResponseReader(method, most_body=most_body)
                try:
                    await connection.exchange(content, reader, deadline)
                except BrokenError:
                    if not connection.used or reader.began:
                        raise
                    if not repeat:
                        raise StaleError("an idle connection had ended") from None
                    fresh = True
                    continue
                finally:
                    self._put_back(connection)
                return reader.answer()
        finally:
            del content
            self._places.release()

    async def stream(
        self, method: str, target: str, headers: Headers = (), body: bytes | None = None, *, timeout_s: float
    ) -> Stream:
        """Send one request and return its answer as soon as the head is here. `close` the stream.

        Arguments and errors as `request` has them; `timeout_s` is for the head of the answer.
        """
        head = request_head(method, target, self._host, headers, None if body is None else len(body))
        deadline = self._loop.time() + timeout_s
        await self._place(deadline)
        connection: Connection | None = None
        try:
            connection = await self._connected(deadline)
            reader = ResponseReader(method, most_body=None)
            await connection.exchange(head + (body or b""), reader, deadline, only_head=True)
        except BaseException:
            if connection is not None:
                self._put_back(connection)
            self._places.release()
            raise
        return Stream(self, connection, reader)

    async def close(self) -> None:
        """Close every connection; exchanges under way end as broken. Safe to call twice."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        ending = [*self._idle, *self._busy]
        self._idle.clear()
        for connection in ending:
            connection.close()
        for connection in ending:
            await asyncio.shield(connection.ended)

    def _end(self, connection: Connection) -> None:
        """Take back the connection of a stream that has ended."""
        self._put_back(connection)
        self._places.release()

    async def _place(self, deadline: float) -> None:
        """Wait until there may be another connection. Without a wait there is no timer."""
        if self._closed:
            raise NotSentError("the pool is closed")
        if not self._places.locked():
            await self._places.acquire()
            return
        late = False
        try:
            async with asyncio.timeout_at(deadline):
                await self._places.acquire()
        except TimeoutError:
            late = True
        # Raised out here so that no error hangs on it, whose frames hold what was asked.
        if late:
            raise LateError("the time for the exchange is over", sent=False)

    async def _connected(self, deadline: float, *, fresh: bool = False) -> Connection:
        """Return a connection to use: the one that was used last, if it is alive, else a new one."""
        while self._idle and not fresh:
            connection = self._idle.pop()
            if connection.alive():
                self._busy.add(connection)
                return connection
            connection.close()
        limit = min(deadline, self._loop.time() + self._connect_timeout_s)
        connection = await connect(self._server, limit)
        if self._closed:
            connection.close()
            raise NotSentError("the pool is closed")
        self._busy.add(connection)
        return connection

    def _put_back(self, connection: Connection) -> None:
        self._busy.discard(connection)
        if self._closed or not connection.reusable():
            connection.close()
            return
        connection.idle_since = self._loop.time()
        self._idle.append(connection)
        if self._sweep is None:
            self._sweep = self._loop.call_later(self._idle_s, self._drop_idle)

    def _drop_idle(self) -> None:
        """Close what was not used for long, and come back when the next one may be due."""
        self._sweep = None
        now = self._loop.time()
        while self._idle and (self._idle[0].idle_since + self._idle_s <= now or not self._idle[0].alive()):
            self._idle.popleft().close()
        if self._idle:
            self._sweep = self._loop.call_at(self._idle[0].idle_since + self._idle_s, self._drop_idle)


class Stream:
    """An answer whose body is read piece by piece.

    Attributes:
        status: As HTTP has it.
        headers: As `Answer.headers`.
    """

    def __init__(self, pool: Pool, connection: Connection, reader: ResponseReader) -> None:
        self.status = reader.status
        self.headers = reader.headers
        self._pool = pool
        self._connection: Connection | None = connection
        self._reader = reader

    def __repr__(self) -> str:
        return f"<Stream {self.status}>"

    async def receive(self, timeout_s: float | None = None) -> bytes:
        """Return the next piece of the body, b"" at its end.

        Args:
            timeout_s: How many seconds to wait for one, None for any time.

        Raises:
            BrokenError: the connection broke, or the stream was closed; `MalformedError` for what came.
            LateError: nothing came in time.
        """
        if self._connection is None:
            raise BrokenError("the stream is closed")
        return await self._connection.receive(self._reader, timeout_s)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the pieces of the body until its end. Raises as `receive`."""
        while piece := await self.receive():
            yield piece

    def close(self) -> None:
        """Give the connection back, or end it if the answer is not at its end. Safe to call twice."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool._end(connection)  # noqa: SLF001 - a stream is a part of its pool

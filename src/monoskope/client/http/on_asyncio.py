"""HTTPS to one m8, on asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Coroutine
from typing import TypeVar

from google.protobuf.message import Message

from monoskope.client.http import connect, transport
from monoskope.client.http.methods import Method
from monoskope.client.http.transport import IDLE_S, Dialled, Metadata, Roots
from monoskope.http.client.destination import ExchangeError
from monoskope.http.client.exchange import Answer, one_header
from monoskope.http.client.pool import Pool, Stream

R = TypeVar("R", bound=Message)
T = TypeVar("T")

_MOST_CONNECTIONS = 64
"""How many connections there may be: each carries one call at a time, and m8 limits the connections of an address."""


class HttpTransport:
    """Connections to one server. Its promises are those of `Transport`.

    Args:
        server: `host:port`.
        roots: The authorities that may have signed its certificate.
        has_others: Whether there are other servers to go to when this one stands still.

    Raises:
        UsageError: the authorities are no certificates, or the environment names no usable proxy.
    """

    def __init__(self, server: str, roots: Roots, *, has_others: bool) -> None:
        self._dialled = Dialled(server, roots)
        self._has_others = has_others
        self._looking: asyncio.Task[Answer] | None = None
        self._pool = Pool(self._dialled.server, most_connections=_MOST_CONNECTIONS, idle_s=IDLE_S)

    async def call(
        self, method: Method[R], request: Message, timeout_s: float, metadata: Metadata, *, fresh: bool = False
    ) -> R:
        """Call a unary method."""
        ends_at = time.monotonic() + timeout_s
        try:
            asked = self._pool.request(
                "POST",
                method.path,
                connect.headers(metadata, timeout_s=timeout_s),
                request.SerializeToString(),
                timeout_s=timeout_s,
                most_body=connect.MOST_ANSWER,
                fresh=fresh,
            )
            answer = await (self._while_it_stands(asked) if self._has_others else asked)
        except ExchangeError as error:
            raise self._dialled.failed(error, late=time.monotonic() >= ends_at) from None
        return connect.answer(self._dialled.name, method, answer.status, answer.header("content-type"), answer.body)

    async def stream(self, method: Method[R], request: Message, metadata: Metadata) -> AsyncGenerator[R]:
        """Yield what a method streams, until it ends."""
        try:
            streamed = await self._pool.stream(
                "POST",
                method.path,
                connect.headers(metadata, timeout_s=None),
                connect.enveloped(request.SerializeToString()),
                timeout_s=transport.HEAD_S,
            )
            with contextlib.closing(streamed):
                kind = one_header(streamed.headers, "content-type")
                if not connect.is_stream(streamed.status, kind):
                    raise connect.refusal(self._dialled.name, streamed.status, kind, await _body(streamed))
                messages = connect.Stream(self._dialled.name)
                while not messages.ended and (piece := await self._next(streamed)):
                    for message in messages.messages(method, piece):
                        yield message
                messages.finish()
        except ExchangeError as error:
            raise self._dialled.failed(error, late=False) from None

    async def _next(self, streamed: Stream) -> bytes:
        """Return the next piece of a stream."""
        return await (self._while_it_stands(streamed.receive()) if self._has_others else streamed.receive())

    async def _while_it_stands(self, asked: Coroutine[None, None, T]) -> T:
        """Wait for an answer, and look now and then whether the server is still there."""
        answering = asyncio.create_task(asked)
        try:
            while not (await asyncio.wait({answering}, timeout=transport.LOOK_AFTER_S))[0]:
                looking = self._look()
                await asyncio.wait({answering, looking}, return_when=asyncio.FIRST_COMPLETED)
                if not answering.done() and not looking.cancelled() and looking.exception() is not None:
                    raise self._dialled.stands_still()
            return answering.result()
        finally:
            answering.cancel()

    def _look(self) -> asyncio.Task[Answer]:
        """Return a look whether the server answers anything. Those who look at the same time look once."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._seen())
            # An answer can come before it ends: then nothing is to be told of its end.
            self._looking.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._looking

    async def _seen(self) -> Answer:
        # Not by the pool: all of its connections may be waiting.
        pool = Pool(self._dialled.server, most_connections=1)
        try:
            return await pool.request(
                "GET", transport.LOOK_AT, timeout_s=transport.LOOK_S, most_body=connect.MOST_ERROR
            )
        finally:
            await pool.close()

    async def close(self) -> None:
        """Close the connections; calls under way are cancelled."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait({self._looking})
        await self._pool.close()


async def _body(streamed: Stream) -> bytes:
    """Return the body of an answer that is no stream: as much of it as an error has at most."""
    body, ends_at = b"", time.monotonic() + transport.HEAD_S
    while len(body) <= connect.MOST_ERROR and (piece := await streamed.receive(ends_at - time.monotonic())):
        body += piece
    return body

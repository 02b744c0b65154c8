"""HTTPS to one m8, by sockets that block: its coroutines never suspend, and it imports no event loop."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from typing import TypeVar

from google.protobuf.message import Message

from monoskope.client.http import connect, transport
from monoskope.client.http.methods import Method
from monoskope.client.http.transport import IDLE_S, Dialled, Metadata, Roots
from monoskope.http.client.blocking import BlockingPool, Stream
from monoskope.http.client.destination import ExchangeError
from monoskope.http.client.exchange import one_header

R = TypeVar("R", bound=Message)


class BlockingTransport:
    """Connections to one server. Its promises are those of `Transport`.

    Args:
        server: `host:port`.
        roots: The authorities that may have signed its certificate.
        has_others: Whether there are other servers to go to when this one stands still.
        sent: Called when a call has been sent, before its answer is awaited.

    Raises:
        UsageError: the authorities are no certificates, or the environment names no usable proxy.
    """

    def __init__(self, server: str, roots: Roots, *, has_others: bool, sent: Callable[[], None] = lambda: None) -> None:
        self._sent = sent
        self._dialled = Dialled(server, roots)
        self._pool = BlockingPool(
            self._dialled.server,
            idle_s=IDLE_S,
            look_s=transport.LOOK_AFTER_S,
            look=self._look if has_others else None,
        )

    async def call(
        self, method: Method[R], request: Message, timeout_s: float, metadata: Metadata, *, fresh: bool = False
    ) -> R:
        """Call a unary method."""
        ends_at = time.monotonic() + timeout_s
        try:
            answer = self._pool.request(
                "POST",
                method.path,
                connect.headers(metadata, timeout_s=timeout_s),
                request.SerializeToString(),
                timeout_s=timeout_s,
                most_body=connect.MOST_ANSWER,
                fresh=fresh,
                sent=self._sent,
            )
        except ExchangeError as error:
            raise self._dialled.failed(error, late=time.monotonic() >= ends_at) from None
        return connect.answer(self._dialled.name, method, answer.status, answer.header("content-type"), answer.body)

    async def stream(self, method: Method[R], request: Message, metadata: Metadata) -> AsyncGenerator[R]:
        """Yield what a method streams, until it ends."""
        try:
            streamed = self._pool.stream(
                "POST",
                method.path,
                connect.headers(metadata, timeout_s=None),
                connect.enveloped(request.SerializeToString()),
                timeout_s=transport.HEAD_S,
            )
            with contextlib.closing(streamed):
                kind = one_header(streamed.headers, "content-type")
                if not connect.is_stream(streamed.status, kind):
                    raise connect.refusal(self._dialled.name, streamed.status, kind, _body(streamed))
                messages = connect.Stream(self._dialled.name)
                for piece in streamed.pieces():
                    for message in messages.messages(method, piece):
                        yield message
                    if messages.ended:
                        break
                messages.finish()
        except ExchangeError as error:
            raise self._dialled.failed(error, late=False) from None

    def _look(self, left_s: float) -> None:
        pool = BlockingPool(self._dialled.server)
        timeout_s = min(transport.LOOK_S, left_s)
        try:
            pool.request("GET", transport.LOOK_AT, timeout_s=timeout_s, most_body=connect.MOST_ERROR)
        except ExchangeError:
            raise self._dialled.stands_still() from None
        finally:
            pool.close()

    async def close(self) -> None:
        """Close the connections; calls of other threads end as broken."""
        self._pool.close()


def _body(streamed: Stream) -> bytes:
    """Return the body of an answer that is no stream: as much of it as an error has at most."""
    body = b""
    for piece in streamed.pieces(transport.HEAD_S):
        body += piece
        if len(body) > connect.MOST_ERROR:
            break
    return body

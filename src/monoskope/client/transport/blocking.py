"""HTTP to one m8, over TLS, by a socket that blocks: its coroutines never suspend, and it imports no event loop."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from typing import TypeVar

from google.protobuf.message import Message

from monoskope.client.methods import Method
from monoskope.client.roots import Roots
from monoskope.client.transport import connect, exchanging
from monoskope.client.transport.base import Metadata
from monoskope.client.transport.exchanging import IDLE_S, Dialled
from monoskope.http.client.blocking import Line, Stream
from monoskope.http.client.exchange import one_header
from monoskope.http.client.failures import ExchangeError

R = TypeVar("R", bound=Message)


class BlockingTransport:
    """One kept connection to one server. Its promises are those of `Transport`; it carries one call at a time.

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
        self._has_others = has_others
        self._line = self._made()

    async def call(self, method: Method[R], request: Message, timeout_s: float, metadata: Metadata) -> R:
        """Call a unary method."""
        ends_at = time.monotonic() + timeout_s
        try:
            answer = self._line.request(
                "POST",
                method.path,
                connect.headers(metadata, timeout_s=timeout_s),
                request.SerializeToString(),
                timeout_s=timeout_s,
                most_body=connect.MOST_ANSWER,
                repeat=method.may_be_repeated,
                sent=self._sent,
            )
        except ExchangeError as error:
            raise self._dialled.failed(error, late=time.monotonic() >= ends_at) from None
        return connect.answer(self._dialled.name, method, answer.status, answer.header("content-type"), answer.body)

    async def stream(self, method: Method[R], request: Message, metadata: Metadata) -> AsyncGenerator[R]:
        """Yield what a method streams, until it ends. It has a connection of its own meanwhile."""
        try:
            streamed = self._made().stream(
                "POST",
                method.path,
                connect.headers(metadata, timeout_s=None),
                connect.enveloped(request.SerializeToString()),
                timeout_s=exchanging.HEAD_S,
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

    def _made(self) -> Line:
        look = self._look if self._has_others else None
        return Line(self._dialled.server, idle_s=IDLE_S, look_s=exchanging.LOOK_AFTER_S, look=look)

    def _look(self, left_s: float) -> None:
        line = Line(self._dialled.server)
        timeout_s = min(exchanging.LOOK_S, left_s)
        try:
            line.request("GET", exchanging.LOOK_AT, timeout_s=timeout_s, most_body=connect.MOST_ERROR)
        except ExchangeError:
            raise self._dialled.stands_still() from None
        finally:
            line.close()

    async def close(self) -> None:
        """Close the connection."""
        self._line.close()


def _body(streamed: Stream) -> bytes:
    """Return the body of an answer that is no stream: as much of it as an error has at most."""
    body = b""
    for piece in streamed.pieces(exchanging.HEAD_S):
        body += piece
        if len(body) > connect.MOST_ERROR:
            break
    return body

"""A call of m8's API, as HTTP carries it: what its head says, its body, and its answer or its stream."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from monoskope.errors import UsageError
from monoskope.http.messages import Body, Head, Response, Streamed
from monoskope.m8.http import refused
from monoskope.m8.http.codecs import Codec, end_of_stream, enveloped, only_message
from monoskope.m8.http.refused import Headers, OverdueError
from monoskope.m8.methods import calls
from monoskope.m8.methods.calls import Arrival, Ended
from monoskope.m8.methods.table import Kind, Method
from monoskope.m8.service.app import App
from monoskope.traces import spans
from monoskope.value import Unshared

T = TypeVar("T")

SOON_S = 0.1
"""Seconds in which nothing changes that was asked before a body was read."""

_TIMEOUT = re.compile(r"[0-9]{1,10}", re.ASCII)


def arrival(head: Head, deadline: float | None = None) -> Arrival:
    """Return what HTTP knows of a call besides its messages. `deadline` is by the event loop's clock."""
    return Arrival(
        door="http",
        peer=head.peer,
        authorization=head.header("authorization"),
        client_request_id=head.header("x-request-id"),
        traceparent=head.header(spans.KEY),
        remaining_s=None if deadline is None else deadline - asyncio.get_running_loop().time(),
    )


def deadline_of(head: Head) -> float | None:
    """Return when the caller stops waiting, by the event loop's clock, None if it does not say so.

    Raises:
        UsageError: `Connect-Timeout-Ms` is not a number of at most ten digits, or came twice.
    """
    if not any(name == "connect-timeout-ms" for name, _ in head.headers):
        return None
    text = head.header("connect-timeout-ms")
    if _TIMEOUT.fullmatch(text) is None:
        raise UsageError("Connect-Timeout-Ms: must be at most ten digits.", fix="Send milliseconds, for example 5000.")
    return asyncio.get_running_loop().time() + int(text) / 1000


@dataclass(slots=True, repr=False)
class Call(Unshared):
    """A call whose body may be read (`http.messages.Accepted`).

    Attributes:
        app: What answers it.
        method: Of the table.
        codec: How its messages are written.
        head: Of its request. It holds the token.
        deadline: When its caller stops waiting, by the event loop's clock.
        headers: Belong to its answer, whatever that is.
        most_body: How many bytes its body may have.
    """

    app: App
    method: Method
    codec: Codec
    head: Head
    deadline: float | None
    headers: Headers
    most_body: int

    def __repr__(self) -> str:
        return f"<Call of {self.method.name}>"

    async def answer(self, body: Body) -> Response | Streamed:
        """Do what is asked for, and return what came of it. The body is read once the caller has the right to ask."""
        headers = (("Content-Type", self.codec.content_type(self.method.kind)), *self.headers)
        if self.method.kind is Kind.STREAMING:
            # In a stream an error has no status of its own: Connect tells it in the last message.
            return Streamed(200, headers, self._pieces(await body()))
        ended = await self._unary(body)
        if ended.answer is None:
            return refused.response(ended.failure, self.headers)
        return Response(200, headers, ended.answer)

    async def _unary(self, body: Body) -> Ended[bytes]:
        arrived = self._arrival()

        async def work() -> bytes:
            async with calls.admitted(self.app, self.method, arrived) as caller:
                content, is_late = await _read(body)
                # The token may have been revoked meanwhile, and less time is left.
                asks = await calls.caller_of(self.app, self.method, self._arrival()) if is_late else caller
                request = self.codec.read(self.method, content)
                del content
                return self.codec.written(await calls.respond(self.app, self.method, request, asks))

        return await calls.traced(self.app, arrived, self.method.name, lambda: _before(self.deadline, work))

    async def _stream(self, body: bytes, send: Callable[[bytes], Awaitable[None]]) -> Ended[None]:
        arrived = self._arrival()

        async def work() -> None:
            caller = await calls.caller_of(self.app, self.method, arrived)
            request = self.codec.read(self.method, only_message(body))
            async with contextlib.aclosing(calls.stream(self.method, request, caller)) as responses:
                async for response in responses:
                    await send(enveloped(self.codec.written(response)))

        return await calls.answered(self.app, arrived, self.method.name, lambda: _before(self.deadline, work))

    def _arrival(self) -> Arrival:
        return arrival(self.head, self.deadline)

    async def _pieces(self, body: bytes) -> AsyncGenerator[bytes]:
        """Yield the messages of the stream, each when the peer has room for it, and last how it ended."""
        ready: asyncio.Queue[bytes | None] = asyncio.Queue(1)

        async def fill() -> None:
            ended = await self._stream(body, ready.put)
            await ready.put(end_of_stream(ended.error))
            await ready.put(None)

        # A task of its own: what is logged on the way belongs to this call alone.
        filling = asyncio.create_task(fill())
        try:
            while (piece := await ready.get()) is not None:
                yield piece
        finally:
            filling.cancel()
            await asyncio.wait({filling})


async def _read(body: Body) -> tuple[bytes, bool]:
    """Return the body, and whether it took long to come."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    content = await body()
    return content, loop.time() - began > SOON_S


async def _before(deadline: float | None, work: Callable[[], Awaitable[T]]) -> T:
    """Do the `work`. Raises `OverdueError`, and cancels it, if the deadline passes before it is done."""
    if deadline is None:
        return await work()
    if deadline <= asyncio.get_running_loop().time():
        raise OverdueError
    scope = asyncio.timeout_at(deadline)
    try:
        async with scope:
            return await work()
    except TimeoutError:
        if scope.expired():
            raise OverdueError from None
        raise

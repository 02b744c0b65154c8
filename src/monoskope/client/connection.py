"""The connection to m8, with the caller's token: what is called again, and at which of several servers."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TypeVar

from google.protobuf.message import Message

from monoskope import errors
from monoskope.client import forks
from monoskope.client.methods import Method
from monoskope.client.pace import CALLS_AT_ONCE, pause_after
from monoskope.client.roots import find_roots
from monoskope.client.runtime import Runtime, on_asyncio
from monoskope.client.servers import Servers
from monoskope.client.transport import failures
from monoskope.client.transport.base import Metadata, Transport
from monoskope.client.transport.dial import dial
from monoskope.client.transport.failures import NotSentError, StreamRefusedError
from monoskope.errors import AwayError, Error, RateLimitedError, UnavailableError
from monoskope.traces import spans
from monoskope.unshared import Unshared

R = TypeVar("R", bound=Message)

CALL_TIMEOUT_S = 30.0
"""For a call that waits for m8 alone."""

MOST_DOUBLINGS = 3
"""How often the pause doubles while something that m8 needs is away."""

LEAST_LEFT_S = 0.02
"""A call with less time is not made again: it would end as late, and hide what m8 said."""

MOST_STREAMS_REFUSED = 10
"""How often a call is made again that m8's side of the connection did not take."""

NotReachedError = errors.NotReachedError


class Connection(Unshared):
    """A connection to one m8, or to the first that answers of several that serve one log. `close` ends it.

    It dials at the first call. When a server fails, later calls go to the next one. The call that met the failure is
    made again there if that does no harm: if nothing of it was sent, if it is a query, or if its request id makes a
    second one the same as the first.

    Args:
        servers: `host:port` for gRPC, `https://host:port` for HTTP, or several, in the order in which they are tried;
            the certificate of each must carry its host.
        ca_file: PEM file with the authority that signs their certificates; None for the system's authorities.
        token: Sent with every call, only over TLS.
        ca: The authority itself, in PEM form; it counts before `ca_file`.
        pause_s: First pause in seconds before a call that was not let in is made again.
        runtime: What it waits with; by default asyncio.

    Raises:
        UsageError: the file cannot be read or holds no certificate. The first call reports a damaged one. Or
            the process was forked while a connection was open.
    """

    def __init__(
        self,
        servers: str | Sequence[str],
        ca_file: Path | str | None,
        token: str,
        *,
        ca: str = "",
        pause_s: float = 0.2,
        runtime: Runtime | None = None,
    ) -> None:
        self.runtime: Runtime = runtime if runtime is not None else on_asyncio()
        """What everything that uses this connection waits with."""
        self._roots = find_roots(ca_file, ca)
        forks.opening(self)
        self._servers = Servers([servers] if isinstance(servers, str) else servers, self._dial)
        self._pause_s = pause_s
        self._places = self.runtime.places(CALLS_AT_ONCE)
        self._metadata: Metadata = (("authorization", f"Bearer {token}"),)

    def __repr__(self) -> str:
        return f"<Connection {self.server} token=hidden>"

    def _dial(self, server: str) -> Transport:
        return dial(server, self._roots, has_others=len(self._servers.names) > 1, runtime=self.runtime)

    @property
    def server(self) -> str:
        """The server to which the next call goes, as it was named."""
        return self._servers.current

    async def call(self, method: Method[R], request: Message, timeout_s: float) -> R:
        """Call `method`, and again while m8 does not let the call in, as `monoskope.client.pace` says.

        A query, and a command that may be sent twice, is also called again while m8 says that something it needs is
        away: a database that fails over is back in half a minute.

        At most `CALLS_AT_ONCE` calls are open; further ones wait for their place, which counts as time, too.

        Raises:
            NotReachedError: the connection failed or broke.
            IdentityChangedError: the server's certificate does not verify.
            ProtocolError: the answer is no message of this protocol.
            RateLimitedError: m8 has too much of the caller's to do, and that would not change in time.
            Error: what m8 said, by its code.
        """
        ends_at = self.runtime.now() + max(timeout_s, 0.001)
        refusals = absences = 0
        while True:
            try:
                return await self._let_in(method, request, ends_at)
            except RateLimitedError as error:
                refusal: Error = error
                pause_s = pause_after(error.retry_after_s, refusals, self._pause_s)
            except StreamRefusedError as error:
                refusal = error
                pause_s = pause_after(0.0, 0, self._pause_s / 5) if refusals < MOST_STREAMS_REFUSED else None
            except AwayError as error:
                if not method.may_be_repeated:
                    raise
                refusal = error
                pause_s = pause_after(self._pause_s * 2 ** min(absences, MOST_DOUBLINGS), 0, self._pause_s)
                absences += 1
            if pause_s is None or self.runtime.now() + pause_s + LEAST_LEFT_S >= ends_at:
                raise refusal
            await self.runtime.sleep(pause_s)
            refusals += 1

    async def _let_in(self, method: Method[R], request: Message, ends_at: float) -> R:
        try:
            await self._places.acquire(ends_at)
        except TimeoutError:
            raise failures.late(self.server) from None
        try:
            return await self._somewhere(method, request, ends_at)
        finally:
            self._places.release()

    async def _somewhere(self, method: Method[R], request: Message, ends_at: float) -> R:
        """Call the current server and, while that does no harm, the others, each once."""
        only_unreached = True
        for left in reversed(range(len(self._servers.names))):
            server = self.server
            try:
                return await self._once(method, request, max(ends_at - self.runtime.now(), 0.001))
            except UnavailableError as error:
                if isinstance(error, StreamRefusedError):
                    raise
                self._servers.failed(server)
                only_unreached = only_unreached and isinstance(error, NotReachedError)
                if not left and only_unreached and len(self._servers.names) > 1:
                    named = ", ".join(self._servers.names)
                    raise NotReachedError(f"m8 does not answer at any of {named}.", fix=error.fix) from None
                if not left or not (isinstance(error, NotSentError) or method.may_be_repeated):
                    raise
        raise AssertionError("there is at least one server")

    async def _once(self, method: Method[R], request: Message, timeout_s: float) -> R:
        with spans.Span(method.name, kind="client"):
            return await self._servers.transport.call(method, request, timeout_s, self._with_trace())

    def _with_trace(self) -> Metadata:
        traceparent = spans.current()
        return (*self._metadata, (spans.KEY, traceparent)) if traceparent else self._metadata

    async def stream(self, method: Method[R], request: Message) -> AsyncIterator[R]:
        """Yield what `method` streams until it ends. Raises as `call`. When a server fails, the next call goes on."""
        server = self.server
        try:
            streamed = self._servers.transport.stream(method, request, self._with_trace())
            async with contextlib.aclosing(streamed) as responses:
                async for response in responses:
                    yield response
        except UnavailableError:
            self._servers.failed(server)
            raise

    async def close(self) -> None:
        """Close it; calls under way are cancelled."""
        await self._servers.close()
        forks.closed(self)

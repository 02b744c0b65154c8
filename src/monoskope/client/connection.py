"""The connection to m8: gRPC over TLS, with the caller's token, and m8's refusals as our errors."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import grpc
import grpc.aio
from google.protobuf.message import Message

from monoskope import errors
from monoskope.api.gateway.v1 import commands_pb2_grpc, queries_pb2_grpc
from monoskope.client import forks
from monoskope.client.pace import CALLS_AT_ONCE, pause_after
from monoskope.client.refusal import ERRORS, MAX_TEXT, error_of
from monoskope.client.roots import find_roots
from monoskope.client.servers import Servers
from monoskope.errors import (
    AwayError,
    Code,
    Error,
    IdentityChangedError,
    ProtocolError,
    RateLimitedError,
    TimedOutError,
    UnavailableError,
)
from monoskope.escape import escape
from monoskope.protocol.unshared import Unshared
from monoskope.traces import spans

R = TypeVar("R", bound=Message)

# We report what does not parse as our own error; gRPC would also print a traceback.
logging.getLogger("grpc").addHandler(logging.NullHandler())

CALL_TIMEOUT_S = 30.0
"""For a call that waits for m8 alone."""

MOST_DOUBLINGS = 3
"""How often the pause doubles while something that m8 needs is away."""

MOST_STREAMS_REFUSED = 10
"""How often a call is made again that m8's side of the connection did not take."""

_STREAM_REFUSED = re.compile(r"REFUSED_STREAM|RST_STREAM with error code 7\b")
"""How gRPC says that the server refused to look at a call (RFC 9113, 8.1.4)."""
_NOT_CONNECTED = re.compile(r"failed to connect to all addresses|DNS resolution failed|no children in pick_first")
"""How gRPC says that a call found no connection, so that nothing of it was sent."""
_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    # How long it may take to connect: a distant or busy server needs longer than a backoff.
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.max_receive_message_length", 16 * 1_048_576),
]

_STATUSES = {
    grpc.StatusCode.INVALID_ARGUMENT: Code.USAGE,
    grpc.StatusCode.UNAUTHENTICATED: Code.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED: Code.REFUSED,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Code.REFUSED,
    grpc.StatusCode.UNIMPLEMENTED: Code.REFUSED,
    grpc.StatusCode.NOT_FOUND: Code.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS: Code.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION: Code.IDENTITY_CHANGED,
    grpc.StatusCode.ABORTED: Code.CONFLICT,
    grpc.StatusCode.UNAVAILABLE: Code.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: Code.TIMED_OUT,
}


_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")
"""Environment variables by which gRPC dials through a proxy, the first that is set."""

NotReachedError = errors.NotReachedError


class _StreamRefusedError(NotReachedError):
    """m8 has too many calls of this connection open, and did not look at this one: it is safe to call again."""


class _NotSentError(NotReachedError):
    """There was no connection, so nothing of the call was sent: it is safe to call elsewhere, whatever it does."""


class Connection(Unshared):
    """A channel to one m8, or to the first that answers of several that serve one log. `close` ends it.

    It dials at the first call. When a server fails, later calls go to the next one. The call that met the failure is
    made again there if that does no harm: if nothing of it was sent, if it is a query, or if its request id makes a
    second one the same as the first.

    Args:
        servers: `host:port`, or several, in the order in which they are tried; each is the name that the certificate of
            that server must carry.
        ca_file: PEM file with the authority that signs their certificates; None for the system's authorities.
        token: Sent with every call, only over TLS.
        ca: The authority itself, in PEM form; it counts before `ca_file`.
        pause_s: First pause in seconds before a call that was not let in is made again.

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
    ) -> None:
        self._roots = find_roots(ca_file, ca)
        forks.opening(self)
        credentials = grpc.ssl_channel_credentials(root_certificates=self._roots.pem)
        self._servers = Servers([servers] if isinstance(servers, str) else servers, credentials, _OPTIONS)
        channel = cast("grpc.aio.Channel", self._servers)
        self._pause_s = pause_s
        self._places = asyncio.Semaphore(CALLS_AT_ONCE)
        self._metadata = (("authorization", f"Bearer {token}"),)
        self.commands = commands_pb2_grpc.SecretCommandServiceStub(channel)
        self.queries = queries_pb2_grpc.SecretQueryServiceStub(channel)

    def __repr__(self) -> str:
        return f"<Connection {self.server} token=hidden>"

    @property
    def server(self) -> str:
        """The `host:port` to which the next call goes."""
        return self._servers.current

    async def call(self, method: grpc.aio.UnaryUnaryMultiCallable[Any, R], request: Message, timeout_s: float) -> R:
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
        ends_at = _now() + max(timeout_s, 0.001)
        refusals = absences = 0
        while True:
            try:
                return await self._let_in(method, request, ends_at)
            except RateLimitedError as error:
                refusal: Error = error
                pause_s = pause_after(error.retry_after_s, refusals, self._pause_s)
            except _StreamRefusedError as error:
                refusal = error
                pause_s = pause_after(0.0, 0, self._pause_s / 5) if refusals < MOST_STREAMS_REFUSED else None
            except AwayError as error:
                if not getattr(method, "may_be_repeated", False):
                    raise
                refusal = error
                pause_s = pause_after(self._pause_s * 2 ** min(absences, MOST_DOUBLINGS), 0, self._pause_s)
                absences += 1
            if pause_s is None or _now() + pause_s >= ends_at:
                raise refusal
            await asyncio.sleep(pause_s)
            refusals += 1

    async def _let_in(self, method: grpc.aio.UnaryUnaryMultiCallable[Any, R], request: Message, ends_at: float) -> R:
        try:
            async with asyncio.timeout_at(ends_at):
                await self._places.acquire()
        except TimeoutError:
            raise self._late() from None
        try:
            return await self._somewhere(method, request, ends_at)
        finally:
            self._places.release()

    async def _somewhere(self, method: grpc.aio.UnaryUnaryMultiCallable[Any, R], request: Message, ends_at: float) -> R:
        """Call the current server and, while that does no harm, the others, each once."""
        only_unreached = True
        for left in reversed(range(len(self._servers.names))):
            server = self.server
            try:
                return await self._once(method, request, max(ends_at - _now(), 0.001))
            except UnavailableError as error:
                if isinstance(error, _StreamRefusedError):
                    raise
                self._servers.failed(server)
                only_unreached = only_unreached and isinstance(error, NotReachedError)
                if not left and only_unreached and len(self._servers.names) > 1:
                    named = ", ".join(self._servers.names)
                    raise NotReachedError(f"m8 does not answer at any of {named}.", fix=error.fix) from None
                if not left or not (isinstance(error, _NotSentError) or getattr(method, "may_be_repeated", False)):
                    raise
        raise AssertionError("there is at least one server")

    async def _once(self, method: grpc.aio.UnaryUnaryMultiCallable[Any, R], request: Message, timeout_s: float) -> R:
        try:
            with spans.Span(type(request).__name__.removesuffix("Request"), kind="client"):
                answer: R | None = await method(request, timeout=timeout_s, metadata=self._with_trace())
        except grpc.aio.AioRpcError as error:
            raise self._translate(error) from None
        return self._readable(answer)

    def _with_trace(self) -> tuple[tuple[str, str], ...]:
        traceparent = spans.current()
        return (*self._metadata, (spans.KEY, traceparent)) if traceparent else self._metadata

    async def stream(self, method: grpc.aio.UnaryStreamMultiCallable[Any, R], request: Message) -> AsyncIterator[R]:
        """Yield what `method` streams until it ends. Raises as `call`. When a server fails, the next call goes on."""
        server = self.server
        try:
            async for response in method(request, metadata=self._with_trace()):
                yield self._readable(response)
        except grpc.aio.AioRpcError as error:
            translated = self._translate(error)
            if isinstance(translated, UnavailableError):
                self._servers.failed(server)
            raise translated from None

    async def close(self) -> None:
        """Close the channel; calls under way are cancelled."""
        await self._servers.close()
        forks.closed(self)

    def _readable(self, answer: R | None) -> R:
        """GRPC gives None for bytes that do not parse."""
        if answer is None:
            raise ProtocolError(
                f"m8 at {self.server} sent an answer that is not a message of this protocol.",
                fix="Check that the versions of server and client fit. "
                "If they fit, someone may be changing messages on the way.",
            )
        return answer

    def _translate(self, error: grpc.aio.AioRpcError) -> Error:
        said = error_of(error)
        if said is not None:
            return said
        details = error.details() or ""
        # CANCELLED: a server that stops says so of a call that came after it had sent the connection away.
        if error.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}:
            return self._not_reached(details)
        code = _STATUSES.get(error.code(), Code.INTERNAL)
        if code is Code.TIMED_OUT:
            return self._late()
        message = (
            f"m8 at {self.server} answered {error.code().name}: {escape(details[:MAX_TEXT]) or 'no reason given'}."
        )
        return ERRORS[code](message, fix="Check that the versions of server and client fit.")

    def _late(self) -> TimedOutError:
        return TimedOutError(f"m8 at {self.server} did not answer in time.", fix="Try again, or raise `timeout=`.")

    def _not_reached(self, details: str) -> Error:
        if _STREAM_REFUSED.search(details):
            return _StreamRefusedError(
                f"m8 at {self.server} has too many calls of this client open.", fix="Make fewer calls at once."
            )
        if not self._roots.are_pem():
            return self._roots.no_pem()
        if "CERTIFICATE_VERIFY_FAILED" in details:
            return IdentityChangedError(
                f"the certificate of {self.server} is not signed by an authority in {self._roots.source}, or expired.",
                fix="Name the CA file of this server with `ca_file=`; "
                "if it is the right one, and `m8 tls show` there finds nothing expired, someone may be intercepting.",
            )
        if "Hostname Verification Check failed" in details or "is not in peer certificate" in details:
            return IdentityChangedError(
                f"the certificate of {self.server} does not carry that name.",
                fix="Dial the server by a name in its certificate, or have one made for this one: m8 tls renew.",
            )
        kind = _NotSentError if _NOT_CONNECTED.search(details) else NotReachedError
        proxy = next((name for name in _PROXIES if os.environ.get(name)), None)
        if proxy is not None:
            return kind(
                f"m8 does not answer at {self.server} through the proxy that {proxy} names.",
                fix=f"Name the host of m8 in no_proxy to dial it directly, or correct {proxy}.",
            )
        return kind(
            f"m8 does not answer at {self.server}.",
            fix="Check the address and that it runs (`m8 dev` starts one on this machine), or name another with"
            " `server=`.",
        )


def _now() -> float:
    return asyncio.get_running_loop().time()

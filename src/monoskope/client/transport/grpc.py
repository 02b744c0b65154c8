"""gRPC to one m8, over TLS."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from monoskope.client.methods import Method
from monoskope.client.refusal import ERRORS, MAX_TEXT, error_of
from monoskope.client.roots import Roots
from monoskope.client.transport import failures
from monoskope.client.transport.base import Metadata
from monoskope.client.transport.failures import NotSentError
from monoskope.errors import Code, Error, NotReachedError
from monoskope.text import escape

R = TypeVar("R", bound=Message)

# We report what does not parse as our own error; gRPC would also print a traceback.
logging.getLogger("grpc").addHandler(logging.NullHandler())

KEEPALIVE: tuple[tuple[str, Any], ...] = (
    # A server that stands still accepts connections and answers nothing. Without these, a call would wait for it until
    # its own time is over.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
)
"""Options of a channel where there is another server to go to."""

_STREAM_REFUSED = re.compile(r"REFUSED_STREAM|RST_STREAM with error code 7\b")
"""How gRPC says that the server refused to look at a call (RFC 9113, 8.1.4)."""
_NOT_CONNECTED = re.compile(r"failed to connect to all addresses|DNS resolution failed|no children in pick_first")
"""How gRPC says that a call found no connection, so that nothing of it was sent."""
_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    # How long it may take to connect: a distant or busy server needs longer than a backoff.
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.max_receive_message_length", 16 * 1_048_576),
)

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


class GrpcTransport:
    """A channel to one server. Its promises are those of `Transport`.

    Args:
        server: `host:port`.
        roots: The authorities that may have signed its certificate.
        has_others: Whether there are other servers to go to when this one stands still.
    """

    def __init__(self, server: str, roots: Roots, *, has_others: bool) -> None:
        self._server = server
        self._roots = roots
        self._channel = grpc.aio.secure_channel(
            server,
            grpc.ssl_channel_credentials(root_certificates=roots.pem),
            options=[*_OPTIONS, *(KEEPALIVE if has_others else ())],
        )
        self._made_of: dict[str, Callable[..., Any]] = {}

    async def call(self, method: Method[R], request: Message, timeout_s: float, metadata: Metadata) -> R:
        """Call a unary method."""
        made = self._made_of.get(method.path)
        if made is None:
            made = self._made_of[method.path] = self._made(self._channel.unary_unary, method)
        try:
            answer: R | None = await made(request, timeout=timeout_s, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise self._translate(error) from None
        return self._readable(answer)

    async def stream(self, method: Method[R], request: Message, metadata: Metadata) -> AsyncGenerator[R]:
        """Yield what a method streams, until it ends."""
        try:
            async for response in self._made(self._channel.unary_stream, method)(request, metadata=metadata):
                yield self._readable(response)
        except grpc.aio.AioRpcError as error:
            raise self._translate(error) from None

    async def close(self) -> None:
        """Close the channel; calls under way are cancelled."""
        await self._channel.close(None)

    def _made(self, make: Any, method: Method[R]) -> Any:  # noqa: ANN401 - gRPC's own
        return make(method.path, request_serializer=_serialise, response_deserializer=method.answer.FromString)

    def _readable(self, answer: R | None) -> R:
        """GRPC gives None for bytes that do not parse."""
        if answer is None:
            raise failures.unreadable(self._server)
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
            return failures.late(self._server)
        message = (
            f"m8 at {self._server} answered {error.code().name}: {escape(details[:MAX_TEXT]) or 'no reason given'}."
        )
        return ERRORS[code](message, fix="Check that the versions of server and client fit.")

    def _not_reached(self, details: str) -> Error:
        if _STREAM_REFUSED.search(details):
            return failures.overcrowded(self._server)
        if not self._roots.are_pem():
            return self._roots.no_pem()
        if "CERTIFICATE_VERIFY_FAILED" in details:
            return failures.untrusted(self._server, self._roots)
        if "Hostname Verification Check failed" in details or "is not in peer certificate" in details:
            return failures.misnamed(self._server)
        if "missing selected ALPN property" in details:
            return failures.other_door(self._server)
        return self._silent(details)

    def _silent(self, details: str) -> Error:
        kind = NotSentError if _NOT_CONNECTED.search(details) else NotReachedError
        proxy = next((name for name in _PROXIES if os.environ.get(name)), None)
        if proxy is not None:
            return failures.silent_behind(self._server, proxy, kind)
        return failures.silent(self._server, kind)


def _serialise(message: Message) -> bytes:
    return message.SerializeToString()

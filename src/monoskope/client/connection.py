"""The connection to m8: gRPC over TLS, with the caller's token, and m8's refusals as our errors."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

from monoskope import errors
from monoskope.api.gateway.v1 import commands_pb2_grpc, queries_pb2_grpc
from monoskope.client.roots import find_roots
from monoskope.errors import (
    Code,
    Error,
    IdentityChangedError,
    ProtocolError,
    TimedOutError,
    UnavailableError,
)
from monoskope.escape import escape
from monoskope.protocol.unshared import Unshared

R = TypeVar("R", bound=Message)

# We report what does not parse as our own error; gRPC would also print a traceback.
logging.getLogger("grpc").addHandler(logging.NullHandler())

CALL_TIMEOUT_S = 30.0
"""For a call that waits for m8 alone."""

SAYS, SUGGESTS = "m8 says: ", "m8 suggests: "
"""How an error's message and fix begin when the words are m8's."""

DOMAIN = "monoskope"
_DETAILS_KEY = "grpc-status-details-bin"
_MAX_TEXT = 500
_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    # How long it may take to connect: a distant or busy server needs longer than a backoff.
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.max_receive_message_length", 16 * 1_048_576),
]

ERRORS: dict[Code, type[Error]] = {
    Code.USAGE: errors.UsageError,
    Code.UNAUTHENTICATED: errors.UnauthenticatedError,
    Code.REFUSED: errors.RefusedError,
    Code.NOT_FOUND: errors.NotFoundError,
    Code.ALREADY_EXISTS: errors.AlreadyExistsError,
    Code.IDENTITY_CHANGED: errors.IdentityChangedError,
    Code.CONFLICT: errors.ConflictError,
    Code.UNAVAILABLE: errors.UnavailableError,
    Code.TIMED_OUT: errors.TimedOutError,
    Code.OUTCOME_UNKNOWN: errors.OutcomeUnknownError,
    Code.PROTOCOL: errors.ProtocolError,
    Code.INTERNAL: errors.Error,
}
"""The class of each code."""

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


class NotReachedError(UnavailableError):
    """The connection failed or broke, without an answer of m8."""


class Connection(Unshared):
    """A channel to one m8. Dials at the first call; `close` ends it.

    Args:
        server: `host:port`; also the name that the certificate must carry.
        ca_file: PEM file with the authority that signs its certificate; None for the system's authorities.
        token: Sent with every call, only over TLS.
        ca: The authority itself, in PEM form; it counts before `ca_file`.

    Raises:
        UsageError: the file cannot be read or holds no certificate. The first call reports a damaged one.
    """

    def __init__(self, server: str, ca_file: Path | str | None, token: str, *, ca: str = "") -> None:
        self.server = server
        self._roots = find_roots(ca_file, ca)
        credentials = grpc.ssl_channel_credentials(root_certificates=self._roots.pem)
        self._channel = grpc.aio.secure_channel(server, credentials, options=_OPTIONS)
        self._metadata = (("authorization", f"Bearer {token}"),)
        self.commands = commands_pb2_grpc.SecretCommandServiceStub(self._channel)
        self.queries = queries_pb2_grpc.SecretQueryServiceStub(self._channel)

    def __repr__(self) -> str:
        return f"<Connection {self.server} token=hidden>"

    async def call(self, method: grpc.aio.UnaryUnaryMultiCallable[Any, R], request: Message, timeout_s: float) -> R:
        """Call `method` once.

        Raises:
            NotReachedError: the connection failed or broke.
            IdentityChangedError: the server's certificate does not verify.
            ProtocolError: the answer is no message of this protocol.
            Error: what m8 said, by its code.
        """
        try:
            answer: R | None = await method(request, timeout=max(timeout_s, 0.001), metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            raise self._translate(error) from None
        return self._readable(answer)

    async def stream(self, method: grpc.aio.UnaryStreamMultiCallable[Any, R], request: Message) -> AsyncIterator[R]:
        """Yield what `method` streams until it ends. Raises as `call`."""
        try:
            async for response in method(request, metadata=self._metadata):
                yield self._readable(response)
        except grpc.aio.AioRpcError as error:
            raise self._translate(error) from None

    async def close(self) -> None:
        """Close the channel; calls under way are cancelled."""
        await self._channel.close(None)

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
        said = _error_info(error)
        if said is not None:
            return said
        details = error.details() or ""
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            return self._not_reached(details)
        code = _STATUSES.get(error.code(), Code.INTERNAL)
        if code is Code.TIMED_OUT:
            return TimedOutError(f"m8 at {self.server} did not answer in time.", fix="Try again, or raise `timeout=`.")
        message = (
            f"m8 at {self.server} answered {error.code().name}: {escape(details[:_MAX_TEXT]) or 'no reason given'}."
        )
        return ERRORS[code](message, fix="Check that the versions of server and client fit.")

    def _not_reached(self, details: str) -> Error:
        if not self._roots.are_pem():
            return self._roots.no_pem()
        if "CERTIFICATE_VERIFY_FAILED" in details:
            return IdentityChangedError(
                f"the certificate of {self.server} is not signed by an authority in {self._roots.source}.",
                fix="Name the CA file of this server with `ca_file=`; "
                "if this already is the right file, someone may be intercepting the connection.",
            )
        if "Hostname Verification Check failed" in details or "is not in peer certificate" in details:
            return IdentityChangedError(
                f"the certificate of {self.server} does not carry that name.",
                fix="Dial the server by a name in its certificate, or have one made for this one: m8 tls renew.",
            )
        return NotReachedError(
            f"m8 does not answer at {self.server}.",
            fix="Start it (`m8 dev` on this machine), or name another with `server=`.",
        )


def _error_info(error: grpc.aio.AioRpcError) -> Error | None:
    """Return m8's own error: google.rpc.ErrorInfo of our domain, cut at 500 characters; None if there is none."""
    details = next((value for key, value in error.trailing_metadata() if key == _DETAILS_KEY), None)
    if not isinstance(details, bytes):
        return None
    from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # noqa: PLC0415

    try:
        status = status_pb2.Status.FromString(details)
        for detail in status.details:
            info = error_details_pb2.ErrorInfo()
            if detail.Unpack(info) and info.domain == DOMAIN:
                return _from_info(status.message, info.reason, info.metadata.get("fix", ""))
    except DecodeError:
        return None
    return None


def _from_info(message: str, reason: str, fix: str) -> Error:
    try:
        code = Code(reason)
    except ValueError:
        code = Code.INTERNAL
    said, suggested = escape(message[:_MAX_TEXT]), escape(fix[:_MAX_TEXT])
    return ERRORS[code](f"{SAYS}{said}", fix=f"{SUGGESTS}{suggested}" if suggested else "", code=code, by_m8=True)

"""How m8 answers an error: a `google.rpc.Status` with `ErrorInfo` and `RetryInfo`, from which clients restore it.

gRPC carries it as it is, and Connect in JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2  # type: ignore[import-untyped]

from monoskope.errors import AwayError, Code, Error, RateLimitedError
from monoskope.m8.domain.reactors import LoginRefusedError
from monoskope.m8.domain.registrations import ExchangeRefusedError
from monoskope.protocol import exchange_refusal
from monoskope.protocol.login_refusal import described

DOMAIN = "monoskope"

STATUS: Mapping[Code, str] = MappingProxyType(
    {
        Code.USAGE: "INVALID_ARGUMENT",
        Code.UNAUTHENTICATED: "UNAUTHENTICATED",
        Code.REFUSED: "PERMISSION_DENIED",
        Code.NOT_FOUND: "NOT_FOUND",
        Code.ALREADY_EXISTS: "ALREADY_EXISTS",
        Code.IDENTITY_CHANGED: "FAILED_PRECONDITION",
        Code.NOT_AGREED: "FAILED_PRECONDITION",
        Code.CONFLICT: "ABORTED",
        Code.UNAVAILABLE: "UNAVAILABLE",
        Code.TIMED_OUT: "DEADLINE_EXCEEDED",
        Code.OUTCOME_UNKNOWN: "UNKNOWN",
        Code.PROTOCOL: "DATA_LOSS",
        Code.INTERNAL: "INTERNAL",
        Code.RATE_LIMITED: "RESOURCE_EXHAUSTED",
        Code.NOT_TRIED: "CANCELLED",
        Code.NOT_AUTHORIZED: "PERMISSION_DENIED",
        Code.LOG_MISMATCH: "FAILED_PRECONDITION",
        Code.NOT_YET: "UNAVAILABLE",
    }
)
"""The status of every code, as `google.rpc.Code` names it."""

BEFORE: Mapping[Code, Code] = MappingProxyType(
    {
        Code.RATE_LIMITED: Code.REFUSED,
        Code.NOT_AUTHORIZED: Code.REFUSED,
        Code.LOG_MISMATCH: Code.IDENTITY_CHANGED,
        Code.NOT_YET: Code.UNAVAILABLE,
    }
)
"""What clients of before a code were told instead. They would take a code that they do not know for a defect."""


def to_status(error: Error, *, for_older: bool = True) -> status_pb2.Status:
    """Return the status that carries `error`: its code, message and fix, and when to come back if that is known.

    A code that older clients do not know stands under `code`, and as the reason stands what they were told before,
    unless the transport is younger than the code, and so not `for_older` clients. For a reactor it also says why it may
    not log in, and why a token is not exchanged.
    """
    known = BEFORE.get(error.code) if for_older else None
    metadata = {"fix": error.fix} if known is None else {"fix": error.fix, "code": error.code.value}
    if isinstance(error, LoginRefusedError):
        metadata |= described(error.refusal, error.allowed)
    if isinstance(error, ExchangeRefusedError):
        metadata |= exchange_refusal.described(error.refusal)
    details = [error_details_pb2.ErrorInfo(reason=(known or error.code).value, domain=DOMAIN, metadata=metadata)]
    if isinstance(error, RateLimitedError | AwayError) and error.retry_after_s > 0:
        delay = Duration()
        delay.FromNanoseconds(int(error.retry_after_s * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    number = code_pb2.Code.Value(STATUS[error.code])
    return status_pb2.Status(code=number, message=error.message, details=list(map(_packed, details)))


def _packed(message: Message) -> Any:
    detail = Any()
    detail.Pack(message)
    return detail

"""How m8 answers an error: a gRPC status with `google.rpc.ErrorInfo` and `RetryInfo`, from which clients restore it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status

from monoskope.errors import AwayError, Code, Error, RateLimitedError
from monoskope.m8.domain.refused_login import LoginRefusedError
from monoskope.protocol.login_refusal import described

DOMAIN = "monoskope"

STATUS: Mapping[Code, grpc.StatusCode] = MappingProxyType(
    {
        Code.USAGE: grpc.StatusCode.INVALID_ARGUMENT,
        Code.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
        Code.REFUSED: grpc.StatusCode.PERMISSION_DENIED,
        Code.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
        Code.ALREADY_EXISTS: grpc.StatusCode.ALREADY_EXISTS,
        Code.IDENTITY_CHANGED: grpc.StatusCode.FAILED_PRECONDITION,
        Code.CONFLICT: grpc.StatusCode.ABORTED,
        Code.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
        Code.TIMED_OUT: grpc.StatusCode.DEADLINE_EXCEEDED,
        Code.OUTCOME_UNKNOWN: grpc.StatusCode.UNKNOWN,
        Code.PROTOCOL: grpc.StatusCode.DATA_LOSS,
        Code.INTERNAL: grpc.StatusCode.INTERNAL,
        Code.RATE_LIMITED: grpc.StatusCode.RESOURCE_EXHAUSTED,
        Code.NOT_TRIED: grpc.StatusCode.CANCELLED,
    }
)
"""The gRPC status of every code."""

BEFORE: Mapping[Code, Code] = MappingProxyType({Code.RATE_LIMITED: Code.REFUSED})
"""What clients of before a code were told instead. They would take a code that they do not know for a defect."""


def to_status(error: Error) -> grpc.Status:
    """Return the status that carries `error`: its code, message and fix, and when to come back if that is known.

    A code that older clients do not know stands under `code`, and as the reason stands what they were told before. For
    a reactor it also says why it may not log in.
    """
    known = BEFORE.get(error.code)
    metadata = {"fix": error.fix} if known is None else {"fix": error.fix, "code": error.code.value}
    if isinstance(error, LoginRefusedError):
        metadata |= described(error.refusal, error.allowed)
    details = [error_details_pb2.ErrorInfo(reason=(known or error.code).value, domain=DOMAIN, metadata=metadata)]
    if isinstance(error, RateLimitedError | AwayError) and error.retry_after_s > 0:
        delay = Duration()
        delay.FromNanoseconds(int(error.retry_after_s * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    number, _ = STATUS[error.code].value
    whole = status_pb2.Status(code=number, message=error.message, details=list(map(_packed, details)))
    status: grpc.Status = rpc_status.to_status(whole)
    return status


def _packed(message: Message) -> Any:
    detail = Any()
    detail.Pack(message)
    return detail

"""How m8 answers an error: a gRPC status with `google.rpc.ErrorInfo`, from which clients restore the error."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status

from monoskope.errors import Code, Error
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
    }
)
"""The gRPC status of every code."""


def to_status(error: Error) -> grpc.Status:
    """Return the status that carries `error`: its code, message and fix; for a reactor also why it may not log in."""
    said = {"fix": error.fix}
    if isinstance(error, LoginRefusedError):
        said |= described(error.refusal, error.allowed)
    info = error_details_pb2.ErrorInfo(reason=error.code.value, domain=DOMAIN, metadata=said)
    detail = Any()
    detail.Pack(info)
    number, _ = STATUS[error.code].value
    status: grpc.Status = rpc_status.to_status(status_pb2.Status(code=number, message=error.message, details=[detail]))
    return status

"""A call of m8's API, as gRPC carries it."""

from __future__ import annotations

from typing import Any, NoReturn, TypeAlias

import grpc
import grpc.aio
from grpc_status import rpc_status

from monoskope.errors import Error
from monoskope.m8.methods.calls import Arrival
from monoskope.m8.methods.refusal import to_status
from monoskope.traces import spans

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


def arrival(context: Context) -> Arrival:
    """Return what gRPC knows of a call besides its messages."""
    return Arrival(
        door="grpc",
        peer=context.peer(),
        authorization=_metadata(context, "authorization"),
        client_request_id=_metadata(context, "x-request-id"),
        traceparent=_metadata(context, spans.KEY),
        remaining_s=context.time_remaining(),
    )


async def refuse(context: Context, error: Error) -> NoReturn:
    """End a call with an error. Not to be called within `except`: gRPC keeps the exception that this raises."""
    await context.abort_with_status(status_of(error))
    raise AssertionError("abort_with_status raises")


def status_of(error: Error) -> grpc.Status:
    """Return the status that carries `error`."""
    status: grpc.Status = rpc_status.to_status(to_status(error))
    return status


def _metadata(context: Context, key: str) -> str:
    """Return the text value of `key`; "" if there is none, or more than one, since those may contradict each other."""
    values = [value for name, value in context.invocation_metadata() or () if name == key]
    return values[0] if len(values) == 1 and isinstance(values[0], str) else ""

"""What every gRPC call has in common: who calls, how an error is answered, and one line in the operating log."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

import grpc.aio
import structlog

from monoskope import operating_log
from monoskope.errors import Error, UnauthenticatedError
from monoskope.m8.domain.principal import ROLE_NAMES
from monoskope.m8.grpc.status import to_status
from monoskope.m8.service.app import App, Caller
from monoskope.m8.service.defect import defect
from monoskope.traces import spans

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

T = TypeVar("T")

MARGIN_S = 0.2
"""Seconds of the caller's deadline that are kept for the way back."""

_BEARER = re.compile(r"Bearer ([!-~]{1,8192})", re.IGNORECASE)
_CLIENT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


async def caller_of(app: App, context: Context) -> Caller:
    """Return who calls, from the `authorization` metadata.

    Raises:
        UnauthenticatedError: there is no bearer token, or it is not valid.
    """
    match = _BEARER.fullmatch(_metadata(context, "authorization"))
    if match is None:
        raise UnauthenticatedError(
            "the call carries no token.", fix="Send the metadata `authorization: Bearer <token>` once."
        )
    principal = await app.authenticate(match[1])
    app.connections.prove(context.peer())
    structlog.contextvars.bind_contextvars(subject=principal.subject, role=ROLE_NAMES[principal.role])
    remaining: float | None = context.time_remaining()
    longest = app.limits.longest_wait_s
    return Caller(principal, longest if remaining is None else max(0.0, min(longest, remaining - MARGIN_S)))


async def traced(app: App, context: Context, method: str, work: Callable[[], Awaitable[T]]) -> T:
    """As `answered`, in a span below the one that the caller's `traceparent` names."""
    with spans.Span(method, kind="server", parent=_metadata(context, spans.KEY)) as span:
        return await answered(app, context, method, work, span=span)


async def answered(
    app: App, context: Context, method: str, work: Callable[[], Awaitable[T]], *, span: spans.Span | None = None
) -> T:
    """Return what `work` returns, turn its exceptions into the call's status, log and count it without its content."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(method=method)
    if _CLIENT_ID.fullmatch(given := _metadata(context, "x-request-id")):
        structlog.contextvars.bind_contextvars(client_request_id=given)
    begun = time.monotonic()
    code = "CANCELLED"
    try:
        answer = await work()
    except Error as error:
        code = error.code.value
        status = _status(error)
    except Exception as error:  # noqa: BLE001  a defect is reported by its type alone: its text may hold anything
        code = "INTERNAL"
        operating_log.get().error("defect", error_type=type(error).__name__)
        status = _status(error)
    else:
        code = "OK"
        return answer
    finally:
        seconds = time.monotonic() - begun
        app.meters.answered(method, code, seconds)
        if span is not None:
            span.note("code", code)
        operating_log.get().info("call", code=code, duration_ms=round(seconds * 1000))
    # Not within `except`: there `error` would be the context of what gRPC raises, and gRPC keeps its last exception.
    await context.abort_with_status(status)
    raise AssertionError("abort_with_status raises")


def _status(error: Exception) -> grpc.Status:
    """Return the status that carries `error`, and drop the references to its frames, which hold the token."""
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return to_status(error if isinstance(error, Error) else defect())


def _metadata(context: Context, key: str) -> str:
    """Return the text value of `key`; "" if there is none, or more than one, since those may contradict each other."""
    values = [value for name, value in context.invocation_metadata() or () if name == key]
    return values[0] if len(values) == 1 and isinstance(values[0], str) else ""

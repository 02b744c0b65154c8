"""What every gRPC call goes through: who calls, how an error leaves, and one line in m8's log."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import grpc.aio
import structlog

from monoskope.errors import Error, UnauthenticatedError
from monoskope.m8.doors.app import App, Caller
from monoskope.m8.doors.errors import defect, to_status
from monoskope.m8.principal import ROLE_NAMES

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

MARGIN_S = 0.2
"""Left of the caller's deadline for the way back."""

_BEARER = re.compile(r"Bearer ([!-~]{1,8192})", re.IGNORECASE)
_CLIENT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


async def caller_of(app: App, context: Context) -> Caller:
    """Return who calls, from the `authorization` metadata.

    Raises:
        UnauthenticatedError: there is no bearer token, or it does not count.
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


@contextlib.asynccontextmanager
async def answering(context: Context, method: str) -> AsyncIterator[None]:
    """Turn what the block raises into the call's status, and log the call: names and numbers, never content."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(method=method)
    if _CLIENT_ID.fullmatch(given := _metadata(context, "x-request-id")):
        structlog.contextvars.bind_contextvars(client_request_id=given)
    begun = time.monotonic()
    code = "CANCELLED"
    try:
        yield
        code = "OK"
    except Error as error:
        code = error.code.value
        await context.abort_with_status(to_status(error))
    except Exception as error:  # noqa: BLE001  a defect is reported by its type alone: its text may hold anything
        code = "INTERNAL"
        structlog.get_logger().error("defect", error_type=type(error).__name__)
        await context.abort_with_status(to_status(defect()))
    finally:
        structlog.get_logger().info("call", code=code, duration_ms=round((time.monotonic() - begun) * 1000))


def _metadata(context: Context, key: str) -> str:
    """The one text value of `key`; "" if there is none, or more than one, for then they may contradict each other."""
    values = [value for name, value in context.invocation_metadata() or () if name == key]
    return values[0] if len(values) == 1 and isinstance(values[0], str) else ""

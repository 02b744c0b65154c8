"""What every call has in common: who calls, how an error is answered, and one line in the operating log."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from google.protobuf.message import DecodeError, Message

from monoskope import operating_log
from monoskope.errors import Error, UnauthenticatedError
from monoskope.failpoints import failpoint
from monoskope.m8.domain.principal import ROLE_NAMES, Principal
from monoskope.m8.methods import MAX_MESSAGE, Method, Places
from monoskope.m8.service import policy
from monoskope.m8.service.app import App, Caller, Stranger
from monoskope.m8.service.call_notes import (
    CallNote,
    about_log,
    about_request,
    about_response,
    current_note,
    defect,
    validate,
)
from monoskope.m8.service.policy import Needs
from monoskope.protocol import elements
from monoskope.traces import spans
from monoskope.value import Unshared

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

T = TypeVar("T")
M = TypeVar("M", bound=Message)
E = TypeVar("E", bound=Exception)

MARGIN_S = 0.2
"""Seconds of the caller's deadline that are kept for the way back."""

_BEARER = re.compile(r"Bearer ([!-~]{1,8192})", re.IGNORECASE)
_CLIENT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Arrival(Unshared):
    """What a transport knows of a call besides its messages. Each text is "" if it was not sent, or more than once.

    Attributes:
        peer: Who sent it, as `host_port.peer_name` names it.
        authorization: `Bearer TOKEN`.
        client_request_id: The caller's own name for the call, for the operating log.
        traceparent: The caller's span (W3C Trace Context).
        remaining_s: Seconds until the caller's deadline, None without one.
    """

    peer: str
    authorization: str = field(default="", repr=False)
    client_request_id: str = ""
    traceparent: str = ""
    remaining_s: float | None = None


@dataclass(frozen=True, slots=True)
class Ended(Generic[T]):
    """How a call ended: with an answer, or with an error that holds no reference to a frame, since those hold tokens.

    It is returned, not raised: an error that is raised while another one is handled would keep that one alive.
    """

    answer: T | None = None
    error: Error | None = None

    @property
    def failure(self) -> Error:
        """The error. Only to be asked for where there is no answer."""
        if self.error is None:
            raise AssertionError("the call ended with an answer")
        return self.error


@contextlib.asynccontextmanager
async def admitted(app: App, method: Method, arrival: Arrival) -> AsyncIterator[Caller | Stranger]:
    """Hold the place that a call of `method` needs as long as the block runs, and yield who calls.

    It is entered before any of the request is read: who lacks the right costs m8 nothing more, and what is read lies in
    the caller's places.

    Raises:
        RateLimitedError: the caller has too many such calls.
        Error: as `caller_of`.
    """
    caller = await caller_of(app, method, arrival)
    with _place(app, method, caller):
        yield caller


async def caller_of(app: App, method: Method, arrival: Arrival) -> Caller | Stranger:
    """Return who calls `method`: without a token only a stranger, and only where the method needs none.

    Raises:
        UnauthenticatedError: there is no bearer token, or it is not valid.
        RefusedError: the caller lacks what the method needs.
    """
    remaining, longest = arrival.remaining_s, app.limits.longest_wait_s
    wait_s = longest if remaining is None else max(0.0, min(longest, remaining - MARGIN_S))
    if method.needs is Needs.NOTHING:
        return Stranger(arrival.peer, wait_s)
    principal = await principal_of(app, arrival)
    operating_log.bind_contextvars(
        subject=principal.subject, role=",".join(sorted(ROLE_NAMES.get(role, str(role)) for role in principal.roles))
    )
    policy.require(principal, method.needs)
    return Caller(principal, wait_s)


async def principal_of(app: App, arrival: Arrival) -> Principal:
    """Return the holder of the call's token. Raises as `caller_of`."""
    match = _BEARER.fullmatch(arrival.authorization)
    if match is None:
        raise UnauthenticatedError("the call carries no token.", fix="Send `authorization: Bearer <token>` once.")
    principal = await app.authenticate(match[1])
    app.prove(arrival.peer)
    if (noted := current_note.get()) is not None:
        noted.principal = principal
    return principal


async def traced(app: App, arrival: Arrival, name: str, work: Callable[[], Awaitable[T]]) -> Ended[T]:
    """As `answered`, in a span below the one that the caller's `traceparent` names."""
    with spans.Span(name, kind="server", parent=arrival.traceparent) as span:
        return await answered(app, arrival, name, work, span=span)


async def answered(
    app: App, arrival: Arrival, name: str, work: Callable[[], Awaitable[T]], *, span: spans.Span | None = None
) -> Ended[T]:
    """Do the `work` of a call of the method `name`, and log and count it without its content.

    A defect becomes an error that tells the caller that there is one.
    """
    operating_log.clear_contextvars()
    operating_log.bind_contextvars(method=name)
    noted = CallNote(name, arrival.peer)
    if _CLIENT_ID.fullmatch(arrival.client_request_id):
        noted.client_request_id = arrival.client_request_id
        operating_log.bind_contextvars(client_request_id=arrival.client_request_id)
    current_note.set(noted)
    begun = time.monotonic()
    code = "CANCELLED"
    try:
        answer = await work()
    except Error as error:
        code = error.code.value
        return Ended(error=without_frames(error))
    except Exception as error:  # noqa: BLE001  a defect is reported by its type alone: its text may hold anything
        code = "INTERNAL"
        operating_log.get().error("defect", error_type=type(error).__name__)
        without_frames(error)
        return Ended(error=defect())
    else:
        code = "OK"
        return Ended(answer)
    finally:
        seconds = time.monotonic() - begun
        app.meters.answered(name, code, seconds)
        if span is not None:
            span.note("code", code)
        noted.code, noted.duration_ms = code, round(seconds * 1000)
        _tell(app, noted)


def _tell(app: App, noted: CallNote) -> None:
    """Tell of a call that has ended: by a line of its own, or by that of a stranger's address."""
    noted.about = about_log(operating_log.bound()) | noted.about
    if not noted.is_proven:
        app.strangers.count(noted)
        return
    operating_log.get().info("call", code=noted.code, duration_ms=noted.duration_ms)
    if app.tell_call is not None:
        app.tell_call(noted)


def without_frames(error: E) -> E:
    """Return `error` after it has dropped its references to frames, which hold the token."""
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return error


def message_of(kind: type[M], content: bytes) -> M:
    """Return the message that `content` is. Raises `UsageError` if it is none, or has too many elements."""
    elements.check(cast("Descriptor", kind.DESCRIPTOR), content)
    try:
        return kind.FromString(content)
    except DecodeError:
        raise elements.no_message(kind.DESCRIPTOR.name) from None


async def respond(app: App, method: Method, request: Message, caller: Caller | Stranger) -> Message:
    """Validate the request of a unary call that is `admitted`, and return its response. Raises the call's `Error`."""
    validate(request)
    noted = _asked(request)
    if isinstance(caller, Caller) and method.places is Places.ONE_AT_A_TIME:
        async with app.listing.held(caller.principal.subject):
            response: Message = await method.handler(request, caller)
    else:
        response = await method.handler(request, caller)
    if noted is not None:
        noted.about |= about_response(response)
    failpoint("m8.before-answer", method.name)
    return response


def _asked(request: Message) -> CallNote | None:
    """Note what a valid request is about, if there is to be an access line, and return what notes it."""
    noted = current_note.get()
    if noted is not None:
        noted.about |= about_request(request)
    return noted


async def stream(method: Method, request: Message, caller: Caller | Stranger) -> AsyncGenerator[Message]:
    """Validate the request of a streaming call, and yield its responses. Raises the call's `Error`."""
    validate(request)
    _asked(request)
    async with contextlib.aclosing(method.handler(request, caller)) as responses:
        async for response in responses:
            yield response


def _place(app: App, method: Method, caller: Caller | Stranger) -> contextlib.AbstractContextManager[None]:
    """Return what holds the place that a call of that method needs.

    Raises:
        RateLimitedError: on entering it: the caller has too many such calls.
    """
    if isinstance(caller, Stranger):
        return contextlib.nullcontext()
    if method.most_request >= MAX_MESSAGE:
        return app.sending.held(caller.principal)
    return contextlib.nullcontext() if method.places is Places.NONE else app.waiting.held(caller.principal)

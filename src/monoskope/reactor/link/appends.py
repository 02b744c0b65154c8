"""Events on their way to m8, sent until m8 has answered for good, and tokens for copies, asked for once.

An answer about an event may be lost with its connection. What m8 delivers afterwards decides it: the event in the
stream at the expected version is either the one that was sent or another author's. A token has no second try: without
a session there is none.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import Code, ConflictError
from monoskope.protocol.events import ReactorEvent, Step, request_id_of
from monoskope.protocol.outcomes import State
from monoskope.reactor.reasons import FailedError

Send = Callable[[reactor_pb2.AttachRequest], None]

MAX_TOKEN_LENGTH = 8_192
"""Characters of a token at most."""
_JWT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)


class CopyTokens:
    """Numbers the requests for tokens and matches the answers."""

    def __init__(self) -> None:
        # Reasons, never exceptions: an exception would keep the frame in which it is raised, and the value in it.
        self._asked: dict[int, asyncio.Future[str | upload_pb2.Reason]] = {}
        self._last_call = 0
        self._send: Send | None = None

    async def ask(self, request_id: bytes, *, within: float) -> str:
        """Return m8's token for a COPY that this process started.

        Raises:
            FailedError: UPSTREAM_REFUSED, m8 refuses, or what it gives cannot be a token; UPSTREAM_UNAVAILABLE, it does
                not answer `within` seconds.
        """
        if self._send is None:
            raise FailedError(upload_pb2.REASON_UPSTREAM_UNAVAILABLE)
        self._last_call += 1
        call = self._last_call
        answer: asyncio.Future[str | upload_pb2.Reason] = asyncio.get_running_loop().create_future()
        self._asked[call] = answer
        self._send(
            reactor_pb2.AttachRequest(authorize_copy=reactor_pb2.AuthorizeCopy(call=call, request_id=request_id))
        )
        await asyncio.wait({answer}, timeout=within)
        del self._asked[call]
        said = answer.result() if answer.done() else upload_pb2.REASON_UPSTREAM_UNAVAILABLE
        if isinstance(said, int):
            raise FailedError(said)
        return said

    def connected(self, send: Send) -> None:
        """Use `send` from now on."""
        self._send = send

    def disconnected(self) -> None:
        """End the requests without an answer: a token that was on its way is lost, and m8 gives it only once."""
        self._send = None
        for answer in self._asked.values():
            if not answer.done():
                answer.set_result(upload_pb2.REASON_UPSTREAM_UNAVAILABLE)

    def answered(self, answer: reactor_pb2.CopyAuthorized) -> None:
        """Take in m8's answer; unknown calls are ignored."""
        asked = self._asked.get(answer.call)
        if asked is None or asked.done():
            return
        if answer.error or len(answer.token) > MAX_TOKEN_LENGTH or _JWT.fullmatch(answer.token) is None:
            asked.set_result(upload_pb2.REASON_UPSTREAM_REFUSED)
        else:
            asked.set_result(answer.token)


Recorded = Callable[[bytes, int, ReactorEvent], None]

_EVENTS = reactor_pb2.AppendEvent.DESCRIPTOR.oneofs_by_name["event"].fields
_FIELDS = {field.message_type.name: field.name for field in _EVENTS if field.message_type is not None}
"""An event's name to its field in `AppendEvent`."""
ENDS = frozenset(_FIELDS[step.event] for step in Step if step.leads_to is State.ENDED)
"""The fields of `AppendEvent` whose events end a request."""
_TRY_AGAIN = frozenset({Code.UNAVAILABLE.value, Code.TIMED_OUT.value, Code.INTERNAL.value})


class AppendRefusedError(ConflictError):
    """m8 will not record the event: the stream has moved on, or the event is against a rule; `reason` is m8's code."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"m8 did not record the event: {reason}.")
        self.reason = reason


@dataclass(slots=True)
class _Pending:
    message: reactor_pb2.AppendEvent
    event: ReactorEvent
    done: asyncio.Future[int]
    again: asyncio.TimerHandle | None = None
    """Sends it again, if m8 could not take it."""


class Appends:
    """Numbers appends, sends them and matches the answers.

    Args:
        retry_s: Seconds before an append that m8 could not take just now is sent again.
        recorded: Called with the request, the version and the event that m8 recorded: m8 delivers our own events to
            others alone.
    """

    def __init__(self, *, retry_s: float, recorded: Recorded | None = None) -> None:
        self._retry_s = retry_s
        self._recorded = recorded
        self._pending: dict[int, _Pending] = {}
        self._last_call = 0
        self._send: Send | None = None
        self.tokens = CopyTokens()

    def __len__(self) -> int:
        return len(self._pending)

    async def append(self, request_id: bytes, expected_version: int, event: ReactorEvent) -> int:
        """Append `event` and return the stream's version with it; waits as long as m8 is away.

        Raises:
            AppendRefusedError: m8 refused it.
        """
        self._last_call += 1
        message = reactor_pb2.AppendEvent(
            call=self._last_call, request_id=request_id, expected_version=expected_version
        )
        _set(message, event)
        pending = _Pending(message, event, asyncio.get_running_loop().create_future())
        self._pending[message.call] = pending
        self._send_pending(message.call)
        try:
            return await pending.done
        finally:
            self._pending.pop(message.call, None)

    def connected(self, send: Send) -> None:
        """Use `send` from now on, and send everything that has no answer yet, in order."""
        self._send = send
        self.tokens.connected(send)
        for call in sorted(self._pending):
            self._send_pending(call)

    def disconnected(self) -> None:
        """Keep what has no answer until `connected` is called again."""
        self._send = None
        self.tokens.disconnected()

    def answered(self, answer: reactor_pb2.Appended) -> None:
        """Take in m8's answer to one call; unknown calls are ignored."""
        pending = self._pending.get(answer.call)
        if pending is None or pending.done.done():
            return
        if not answer.error:
            pending.done.set_result(answer.version)
            if self._recorded is not None:
                message = pending.message
                self._recorded(message.request_id, message.expected_version + 1, pending.event)
        elif answer.error in _TRY_AGAIN:
            # However often m8 says so, it is sent again once.
            if pending.again is None:
                pending.again = asyncio.get_running_loop().call_later(self._retry_s, self._send_pending, answer.call)
        else:
            pending.done.set_exception(AppendRefusedError(answer.error))

    def delivered(self, event: event_pb2.Event) -> None:
        """Settle the append that this event shows to have been made, or to have come too late."""
        for pending in list(self._pending.values()):
            message = pending.message
            if pending.done.done() or event.version != message.expected_version + 1:
                continue
            if request_id_of(event.stream) != message.request_id:
                continue
            if _is(event, pending.event):
                pending.done.set_result(event.version)
            else:
                pending.done.set_exception(AppendRefusedError(Code.CONFLICT.value))

    def _send_pending(self, call: int) -> None:
        pending = self._pending.get(call)
        if pending is not None and not pending.done.done() and self._send is not None:
            pending.again = None
            self._send(reactor_pb2.AttachRequest(append=pending.message))


def _is(recorded: event_pb2.Event, sent: ReactorEvent) -> bool:
    try:
        return recorded.type == type(sent).__name__ and type(sent).FromString(recorded.data) == sent
    except DecodeError:
        return False


def _set(message: reactor_pb2.AppendEvent, event: ReactorEvent) -> None:
    getattr(message, _FIELDS[type(event).DESCRIPTOR.name]).CopyFrom(event)

"""Events on their way to m8: sent until m8 has answered for good, through any number of broken connections.

An answer may be lost with its connection. What m8 delivers afterwards decides it: the event in the stream at the
expected version is either the one that was sent or another author's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.errors import Code, ConflictError
from monoskope.protocol.events import ReactorEvent, Step, request_id_of
from monoskope.protocol.outcomes import State
from monoskope.reactor.link.copy_tokens import CopyTokens

Send = Callable[[reactor_pb2.AttachRequest], None]
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

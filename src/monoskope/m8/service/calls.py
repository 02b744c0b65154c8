"""What every call has: its checks, its note for the logs, and the sums of strangers' calls.

A stranger is a caller who has not shown who they are: by a valid token, by a reactor's login, or by a token of an
issuer that was exchanged. A line for each of their calls would fill the operating log, and push the lines of others out
of the files in which they are kept. So they are summed by address and minute.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeAlias

import protovalidate
from google.protobuf.message import Message

from monoskope import operating_log
from monoskope.errors import Error, UsageError
from monoskope.m8.domain.principal import Principal
from monoskope.m8.limits.connections import origin


@dataclass(slots=True)
class CallNote:
    """One call. Nothing of what it carries stands here: no value, no token, no hash.

    Attributes:
        method: What was called.
        peer: Who called, as `host_port.peer_name` names it.
        client_request_id: The caller's own name for the call, "" for none.
        principal: The caller, once its token was found valid.
        about: What the call is about, by name: the URI, the request, the store, who signed the request.
        code: How it ended.
        duration_ms: How long it took.
        is_proven: Whether the caller has shown who it is: by a token, or as a reactor.
    """

    method: str
    peer: str
    client_request_id: str = ""
    principal: Principal | None = None
    about: dict[str, str] = field(default_factory=dict)
    code: str = ""
    duration_ms: int = 0
    is_proven: bool = False


TellCall: TypeAlias = Callable[[CallNote], None]
"""Takes note of a call that has ended. It is quick, and never fails."""

current_note: ContextVar[CallNote | None] = ContextVar("call_note", default=None)
"""The call that the current task answers, None outside of calls."""


def about(**named: str) -> None:
    """Note what the current task's call is about."""
    if (noted := current_note.get()) is not None:
        noted.about |= named


MINUTE_MS = 60_000

MOST_ADDRESSES = 100
"""Addresses of one minute that have a line of their own. All others share one."""

OTHERS = "others"
"""What stands in place of the address in that line."""

MOST_ENDS = 32
"""In how many different ways the calls of one address end in its line. All further ones are summed."""

TellStrangers: TypeAlias = Callable[[str, Mapping[str, int]], None]
"""Takes note of the calls of an address in a minute: how they ended, and how often. It is quick, and never fails."""


class Strangers:
    """Sums the calls of one process.

    Args:
        clock: Milliseconds since 1970.
        tick_s: Between two looks whether a minute is over.
    """

    def __init__(self, clock: Callable[[], int], *, tick_s: float) -> None:
        self._clock = clock
        self._tick_s = tick_s
        self._sums: dict[str, Counter[str]] = {}
        self.tell: TellStrangers | None = None
        """Set where access lines are wanted."""

    def count(self, noted: CallNote) -> None:
        """Count a call that has ended, by the address of its peer."""
        address = origin(noted.peer)
        if address not in self._sums and len(self._sums) >= MOST_ADDRESSES:
            address = OTHERS
        ends = self._sums.setdefault(address, Counter())
        about = (noted.about.get(name, "") for name in ("store", "issuer", "reason", "for_member"))
        end = " ".join(filter(None, (noted.method, noted.code, *about)))
        ends[end if end in ends or len(ends) < MOST_ENDS else OTHERS] += 1

    async def run(self) -> None:
        """Tell of each minute when it is over, until cancelled; then of the one that has begun."""
        minute = self._clock() // MINUTE_MS
        try:
            while True:
                await asyncio.sleep(self._tick_s)
                if (now := self._clock() // MINUTE_MS) != minute:
                    minute = now
                    self.flush()
        finally:
            self.flush()

    def flush(self) -> None:
        """Tell of all calls that were not told of."""
        sums, self._sums = self._sums, {}
        for address, ends in sums.items():
            operating_log.get().info("calls of strangers", address=address, calls=ends.total(), ends=dict(ends))
            if self.tell is not None:
                self.tell(address, ends)


def defect() -> Error:
    """Return what a caller learns of a defect: that there is one."""
    return Error("m8 met a defect of its own.", fix="Look into m8's log, and report it.")


def validate(message: Message) -> None:
    """Drop fields that this version does not know and check the rest by the rules in `proto/`.

    Raises:
        UsageError: a field breaks its rule; the message names both, never the value.
    """
    message.DiscardUnknownFields()
    try:
        protovalidate.validate(message, fail_fast=True)
    except protovalidate.ValidationError as error:
        violation = error.violations[0].proto
        path = () if violation.field is None else violation.field.elements
        field = ".".join(element.field_name for element in path) or "message"
        raise UsageError(
            f"{message.DESCRIPTOR.name}: {field}: {violation.message} ({violation.rule_id}).",
            fix="Correct that field.",
        ) from None

"""What stands in an audit line, and what takes lines in batches.

A line is one JSON object of printable ASCII. It holds no value, no token, no fingerprint and no sealed bytes; no
newline and no character that controls a terminal, whatever a caller put into a name.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from google.protobuf.message import DecodeError

from monoskope.errors import Error, UnavailableError
from monoskope.m8.domain.events import read
from monoskope.m8.domain.principal import ROLE_NAMES
from monoskope.m8.log.event_log import RecordedEvent
from monoskope.m8.service.call_notes import CallNote, signed_by
from monoskope.m8.sink_settings import ACCESS, EVENTS, Kind
from monoskope.protocol.events import receipt_of
from monoskope.protocol.receipt import parse_receipt
from monoskope.times import rfc3339

MOST_LINE = 7_680
"""Bytes of a line at most. Syslog servers take 8 KiB with what stands before it (RFC 5425, 4.3.1)."""

MOST_NAMED = 48
"""Characters of each thing that a call names, in a line that would be too long."""

MOST_CUT_ENDS = 8
"""Ends of a stranger's calls in a line that would be too long: each is of up to 576 bytes."""

_JSON = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))


class Line(NamedTuple):
    """One line.

    Attributes:
        kind: Of an event, or of a call.
        at_ms: Of what it tells, milliseconds since 1970.
        position: Of the event in the log, 0 for a call.
        text: The JSON, without an end of line.
    """

    kind: Kind
    at_ms: int
    position: int
    text: bytes


def of_event(event: RecordedEvent, *, log_id: str) -> Line:
    """Return the line of an event of the log `log_id`."""
    fields: dict[str, object] = {
        "kind": "event",
        "log": log_id,
        "position": event.position,
        "time": rfc3339(event.recorded_at_ms),
        "type": event.type,
        "stream": event.stream,
        "version": event.version,
        "actor": event.actor,
        "uri": event.uri,
        "detail": event.detail,
        **_signer(event),
        "hash": event.hash.hex(),
        "previous_hash": event.previous_hash.hex(),
    }
    return Line(EVENTS, event.recorded_at_ms, event.position, _bounded(fields))


def of_call(noted: CallNote, *, at_ms: int, replica: str, number: int) -> Line:
    """Return the line of a call, the `number`-th one of this m8 process."""
    caller = noted.principal
    fields: dict[str, object] = {
        "kind": "access",
        "m8": replica,
        "number": number,
        "time": rfc3339(at_ms),
        "method": noted.method,
        "peer": noted.peer,
        "code": noted.code,
        "duration_ms": noted.duration_ms,
        "token_id": "" if caller is None else caller.token_id,
        "subject": "" if caller is None else caller.subject,
        "roles": [] if caller is None else sorted(ROLE_NAMES.get(role, f"role {role}") for role in caller.roles),
        "client_request_id": noted.client_request_id,
        **noted.about,
    }
    text = _encoded(fields)
    if len(text) > MOST_LINE:
        # What callers name is bounded by characters, each of up to 12 bytes. A line that a receiver cuts is no JSON.
        cut = {name: value[:MOST_NAMED] for name, value in noted.about.items()}
        text = _encoded({**fields, **cut, "names_are_cut": True})
    return Line(ACCESS, at_ms, 0, text)


def of_strangers(address: str, ends: Mapping[str, int], *, at_ms: int, replica: str, number: int) -> Line:
    """Return the line of the calls of strangers from one address in a minute, with how they ended and how often."""
    fields: dict[str, object] = {
        "kind": "access-strangers",
        "m8": replica,
        "number": number,
        "time": rfc3339(at_ms),
        "address": address,
        "calls": sum(ends.values()),
        "ends": dict(ends),
    }
    text = _encoded(fields)
    if len(text) > MOST_LINE:
        cut: Counter[str] = Counter()
        for end, count in ends.items():
            cut[end[:MOST_NAMED]] += count
        text = _encoded({**fields, "ends": dict(cut.most_common(MOST_CUT_ENDS)), "names_are_cut": True})
    return Line(ACCESS, at_ms, 0, text)


def of_dropped(count: int, *, at_ms: int, replica: str) -> Line:
    """Return the line that stands for access lines that were dropped."""
    fields: dict[str, object] = {"kind": "access-dropped", "m8": replica, "time": rfc3339(at_ms), "dropped": count}
    return Line(ACCESS, at_ms, 0, _encoded(fields))


def _signer(event: RecordedEvent) -> dict[str, str]:
    """Return who signed and approved the request that an event is about, or why nobody did, by its receipt."""
    try:
        message = read(event)
        signed = None if message is None else receipt_of(message)
        receipt = None if signed is None else parse_receipt(signed.content)
    except (Error, DecodeError, ValueError):
        # One that a newer m8 recorded, for example. It has its line all the same: none is skipped.
        return {}
    return {} if receipt is None else signed_by(receipt)


def _bounded(fields: dict[str, object]) -> bytes:
    """Return the JSON of `fields`, whose detail and whose reason to break the glass are cut if it would be too long."""
    text = _encoded(fields)
    if len(text) <= MOST_LINE:
        return text
    if len(str(fields.get("break_glass", ""))) > MOST_NAMED:
        return _bounded({**fields, "break_glass": str(fields["break_glass"])[:MOST_NAMED], "detail_is_cut": True})
    detail = str(fields["detail"])
    room = MOST_LINE - (len(text) - len(_encoded({"detail": detail}))) - 64
    while detail and len(_encoded({"detail": detail})) > room:
        detail = detail[: len(detail) * 3 // 4]
    return _encoded({**fields, "detail": detail, "detail_is_cut": True})


def _encoded(fields: dict[str, object]) -> bytes:
    # JSON escapes all but DEL.
    return _JSON.encode(fields).replace("\x7f", "\\u007f").encode("ascii")


class DeliveryError(UnavailableError):
    """A sink did not take a batch, or did not say that it has all of it. The batch is sent again."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines of one kind that are delivered together, in order; at least one."""

    lines: tuple[Line, ...]

    @property
    def kind(self) -> str:
        """`events` or `access`."""
        return self.lines[0].kind

    @property
    def positions(self) -> str:
        """`FIRST-LAST` of events, `access` of calls, which have no position."""
        return ACCESS if self.kind == ACCESS else f"{self.lines[0].position}-{self.lines[-1].position}"

    @property
    def text(self) -> bytes:
        """All lines, each with an end of line."""
        return b"".join(line.text + b"\n" for line in self.lines)


class Sink(Protocol):
    """A file, a syslog server or a webhook."""

    async def deliver(self, batch: Batch) -> None:
        """Return when all of `batch` has arrived for good. Raises `DeliveryError`: then any of it may have."""

    async def close(self) -> None:
        """Release what it holds."""


class SinkState:
    """How one sink does in this process, for metrics.

    Args:
        name: Of the sink.
        clock: Seconds of a monotonic clock.
    """

    def __init__(self, name: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self.position = 0
        """The last event that it has taken from this process."""
        self.is_exporting = False
        """Whether this process sends it the events."""
        self._clock = clock
        self._failing: dict[str, float] = {}

    def failed(self, kind: str) -> bool:
        """Note that lines of a kind were not taken; return whether they were until now."""
        is_new = kind not in self._failing
        self._failing.setdefault(kind, self._clock())
        return is_new

    def took(self, kind: str) -> float:
        """Note that lines of a kind were taken; return for how many seconds they were not, 0 if they always were."""
        since = self._failing.pop(kind, None)
        return 0.0 if since is None else self._clock() - since

    def forget(self, kind: str) -> None:
        """Note that this process sends no lines of a kind any more."""
        self._failing.pop(kind, None)

    @property
    def failing_s(self) -> float:
        """For how many seconds lines have not been taken, 0 if all is well."""
        return max((self._clock() - since for since in self._failing.values()), default=0.0)

"""The current span of a task, and how spans begin. It imports nothing of OpenTelemetry (`export` does).

No exception, message or stack trace enters a span: they could hold what must not leave the process.
"""

from __future__ import annotations

import re
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Protocol, Self

from monoskope.lazy import pattern

KEY = "traceparent"
"""The name of the metadata, and of the HTTP header, that carries a context (W3C Trace Context, level 1)."""

ATTRIBUTES = frozenset({"code", "method", "outcome", "purpose", "reason", "request_id", "store"})
"""The only attributes of spans. None of them holds a value, the name of a key, a token, a fingerprint, or a URI."""

MAX_ATTRIBUTE = 128
"""Characters of an attribute at most; the rest is cut off."""

_FORM = pattern(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)


class Recorder(Protocol):
    """What records one span: `monoskope.traces.export` makes it."""

    traceparent: str

    def note(self, name: str, text: str) -> None:
        """Set an attribute."""

    def end(self, *, has_failed: bool) -> None:
        """End the span."""


class Begins(Protocol):
    """Begins a span."""

    def __call__(self, name: str, kind: str, parent: str) -> Recorder:
        """Begin a span below `parent`, a traceparent, or a new trace for ""."""


_current: ContextVar[str] = ContextVar(KEY, default="")
_begins: list[Begins] = []
"""What begins spans; empty while traces are off."""


def valid(text: str) -> str:
    """Return `text` if it is a traceparent of version 00 in the exact form of W3C, else ""."""
    return text if _FORM.fullmatch(text) else ""


def current() -> str:
    """Return the traceparent of the current span, or what was passed on; "" if there is none."""
    return _current.get()


def trace_id() -> str:
    """Return the id of the current trace, 32 hex digits; "" if there is none."""
    return _current.get()[3:35]


def record_with(begins: Begins | None) -> None:
    """Record spans from now on, or no longer for None."""
    _begins[:] = [] if begins is None else [begins]


class Span:
    """A span that lasts as long as its `with` block. While traces are off it only passes a context on.

    Args:
        name: One of a small, fixed set of names.
        kind: `client`, `server`, `producer`, `consumer` or `internal`, as OpenTelemetry calls them.
        parent: The traceparent that it belongs to; None for the current span.
    """

    __slots__ = ("_before", "_kind", "_name", "_parent", "_recorder")

    def __init__(self, name: str, *, kind: str = "internal", parent: str | None = None) -> None:
        self._name = name
        self._kind = kind
        self._parent = parent
        self._recorder: Recorder | None = None
        self._before: Token[str] | None = None

    def __enter__(self) -> Self:
        parent = _current.get() if self._parent is None else valid(self._parent)
        if _begins:
            self._recorder = _begins[0](self._name, self._kind, parent)
            parent = self._recorder.traceparent
        self._before = _current.set(parent)
        return self

    def note(self, name: str, text: str) -> None:
        """Set an attribute, one of `ATTRIBUTES`; does nothing while traces are off."""
        if name not in ATTRIBUTES:
            raise ValueError(f"not in spans.ATTRIBUTES: {name}")
        if self._recorder is not None:
            self._recorder.note(name, text[:MAX_ATTRIBUTE])

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            _current.reset(self._before)
            self._before = None
        if self._recorder is not None:
            self._recorder.end(has_failed=kind is not None)
            self._recorder = None

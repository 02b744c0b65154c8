"""The operating log of m8 and of the reactors: JSON lines of allow-listed fields, to standard error or a file.

A field that is not on the list is left out, and named in the line, so that no value, key, token or engine text enters
through a careless call; where `STRICT` is set, as in tests, it raises. An exception is named by its type and place; its
message is kept only if it is one of our own sentences.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, TextIO

from monoskope.errors import Error
from monoskope.settings import append_private
from monoskope.traces import export, spans

FIELDS = frozenset(
    {
        "event",
        "level",
        "timestamp",
        "dropped",
        # who and where
        "address",
        "calls",
        "client_request_id",
        "connections",
        "fingerprint_key_id",
        "identity",
        "issuer",
        "method",
        "replica",
        "role",
        "role_binding",
        "server",
        "sink",
        "store",
        "subject",
        "trace_id",
        "type",
        "version",
        # a request, or a change
        "change_id",
        "detail",
        "event_types",
        "outcome",
        "purpose",
        "request_id",
        "uri",
        # how it went
        "code",
        "duration_ms",
        "ends",
        "error",
        "error_type",
        "fix",
        "health",
        "message",
        "place",
        "reason",
        "seconds",
    }
)
"""The only names that may stand in a line. None of them ever holds a value, a token, a key or an engine's text."""

_TOLD_EVERY_S = 3_600.0

_JSON = json.JSONEncoder(default=repr)

_fields: ContextVar[Mapping[str, object]] = ContextVar("fields", default=MappingProxyType({}))
"""What stands in each line of the current task. It is never changed in place: tasks that began in this one share it."""

STRICT = False
"""Whether a field that is not on the list raises `UnlistedFieldError`: set in tests, so that none is lost unseen."""


class UnlistedFieldError(Exception):
    """A log call has a field that `FIELDS` does not name."""


class Unbroken:
    """A stream that loses what it cannot write, as on a full disk, instead of failing the work at hand."""

    failures: ClassVar[int] = 0
    """How often that was, since the process began."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def replace(self, stream: TextIO) -> None:
        """Write to `stream` from now on, and close the one before it, whose last bytes may be lost on a full disk."""
        before, self._stream = self._stream, stream
        with contextlib.suppress(OSError):
            before.close()

    def close(self) -> None:
        """Close the stream."""
        with contextlib.suppress(OSError):
            self._stream.close()

    def write(self, text: str) -> int:
        """Write, if that is possible."""
        try:
            return self._stream.write(text)
        except OSError:
            Unbroken.failures += 1
            return 0

    def flush(self) -> None:
        """Flush, if that is possible."""
        try:
            self._stream.flush()
        except OSError:
            Unbroken.failures += 1


class Logger:
    """Writes lines. Each is flushed as a whole, whichever thread it comes from."""

    def __init__(self, stream: TextIO | Unbroken) -> None:
        self._stream = stream if isinstance(stream, Unbroken) else Unbroken(stream)
        self._writing = threading.Lock()

    def info(self, event: str, **fields: object) -> None:
        """Say what happened."""
        self._say("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Log what an operator should look at."""
        self._say("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Say what failed."""
        self._say("error", event, fields)

    def _say(self, level: str, event: str, fields: dict[str, object]) -> None:
        line = {**fields, "event": event}
        for name, value in _fields.get().items():
            line.setdefault(name, value)
        if trace_id := spans.trace_id():
            line["trace_id"] = trace_id
        line["level"] = level
        line["timestamp"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        text = _JSON.encode(keep_listed(line)) + "\n"
        with self._writing:
            self._stream.write(text)
            self._stream.flush()


_logger: list[Logger] = []
"""The one of `set_up`; empty before."""


def set_up(stream: TextIO | Unbroken) -> None:
    """Send log lines to `stream`."""
    _logger[:] = [Logger(stream)]


def bind_contextvars(**fields: object) -> None:
    """Let each line of the current task, and of tasks that it begins from now on, have these fields, too."""
    _fields.set({**_fields.get(), **fields})


def bound() -> Mapping[str, object]:
    """Return what is bound in the current task."""
    return _fields.get()


def clear_contextvars() -> None:
    """Bind nothing in the current task."""
    _fields.set({})


@contextlib.contextmanager
def written_to(file: Path | None) -> Iterator[Callable[[], None]]:
    """Send log lines to `file` (mode 0600, appended to) within the block, or to standard error if it is None.

    Yields a function that opens `file` again, for when it was moved away. If it cannot be opened, lines go on where
    they went before, and the log says so.

    Raises:
        UsageError: the file cannot be written to.
        RefusedError: others than its owner can reach it.
    """
    if file is None:
        set_up(sys.stderr)
        yield lambda: None
        return
    stream = Unbroken(append_private(file))
    set_up(stream)
    try:
        yield lambda: _reopen(stream, file)
    finally:
        set_up(sys.stderr)
        stream.close()


def _reopen(stream: Unbroken, file: Path) -> None:
    try:
        stream.replace(append_private(file))
    except Error as failure:
        error("the log file is not opened again", failure)


@contextlib.contextmanager
def reopened_on_hangup(reopen: Callable[[], None], file: Path | None) -> Iterator[None]:
    """Call `reopen` at each SIGHUP within the block. Without a file, SIGHUP ends the process as it always does.

    It needs a running event loop. On Windows, which has no SIGHUP, it does nothing.
    """
    hangup = getattr(signal, "SIGHUP", None)
    if file is None or hangup is None:
        yield
        return
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(hangup, reopen)
    try:
        yield
    finally:
        loop.remove_signal_handler(hangup)


@contextlib.contextmanager
def traced(service: str, environment: Mapping[str, str]) -> Iterator[list[str]]:
    """Record and export spans within the block, if the environment asks for it; yields what is to be warned of.

    That spans could not be exported is logged once an hour at most.
    """
    told_at = [-math.inf]

    def failed() -> None:
        now = time.monotonic()
        if now - told_at[0] >= _TOLD_EVERY_S:
            told_at[0] = now
            get().warning("spans are not exported", fix="Check OTEL_EXPORTER_OTLP_ENDPOINT, and the collector there.")

    traces = export.start(service, environment, failed=failed)
    try:
        yield [traces.warning] if traces.warning else []
    finally:
        traces.stop()


def get() -> Logger:
    """Return the logger."""
    return _logger[0] if _logger else Logger(sys.stderr)


def error(event: str, cause: BaseException, **fields: str) -> None:
    """Log `event` as an error, with what may be said of its cause."""
    get().error(event, **fields, **described(cause))


def keep_listed(line: dict[str, object]) -> dict[str, object]:
    """Leave out every field that is not in `FIELDS`, and name those left out.

    Raises:
        UnlistedFieldError: there is such a field, and `STRICT` is set.
    """
    if line.keys() <= FIELDS:
        return line
    dropped = sorted(line.keys() - FIELDS)
    if STRICT:
        raise UnlistedFieldError(f"not in operating_log.FIELDS: {', '.join(dropped)}")
    kept = {name: value for name, value in line.items() if name in FIELDS}
    return {**kept, "dropped": dropped}


def described(error: BaseException) -> dict[str, str]:
    """Return what may be said of an exception."""
    found = {"error": type(error).__name__, "place": _place(error)}
    if isinstance(error, Error):
        found |= {"message": error.message, "fix": error.fix}
    return found


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"

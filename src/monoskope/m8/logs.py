"""m8's own log: JSON lines with fields from one list. What is not on the list cannot be written, whoever tries."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, TextIO, cast

import structlog

from monoskope.settings import append_private

FIELDS = frozenset(
    {
        "event",
        "level",
        "timestamp",
        "connections",
        "dropped",
        "method",
        "code",
        "duration_ms",
        "subject",
        "role",
        "client_request_id",
        "request_id",
        "uri",
        "store",
        "replica",
        "event_types",
        "position",
        "reason",
        "address",
        "error_type",
        "version",
    }
)
"""Every field that a log line can have. None of them ever holds a value, a token, a key or an engine's text."""


def keep_listed(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Structlog processor: drop every field that is not in `FIELDS`, and name those dropped, without their values."""
    dropped = sorted(name for name in line if name not in FIELDS)
    for name in dropped:
        del line[name]
    if dropped:
        line["dropped"] = dropped
    return line


class Unbroken:
    """A stream whose full disk or closed pipe is nobody's failure: a line that cannot be written is lost, no more."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, if that is possible."""
        with contextlib.suppress(OSError):
            return self._stream.write(text)
        return 0

    def flush(self) -> None:
        """Flush, if that is possible."""
        with contextlib.suppress(OSError):
            self._stream.flush()


def configure(log_file: Path | None = None, *, stream: TextIO | None = None) -> TextIO:
    """Send log lines to `log_file` (mode 0600, appended), to `stream`, or to standard error; return where they go.

    Raises:
        UsageError: the file cannot be written to.
        RefusedError: others than its owner can reach it.
    """
    if log_file is not None:
        stream = append_private(log_file)
    stream = stream or sys.stderr
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            keep_listed,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", Unbroken(stream))),
        cache_logger_on_first_use=False,
    )
    return stream

"""The reactor's operating log: JSON lines of allow-listed fields, to standard error or a file.

What is not on the list is dropped, so that no value, key, token or engine text can enter through a careless call. An
exception is named by its type and place; its message is kept only if it is one of our own sentences.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import stat
import sys
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any, TextIO, cast

import structlog

from monoskope.errors import Error, RefusedError
from monoskope.reactor.memory.forget import forget

FIELDS = frozenset(
    {
        "event",
        "level",
        "timestamp",
        "store",
        "server",
        "replica",
        "identity",
        "fingerprint_key_id",
        "type",
        "request_id",
        "uri",
        "purpose",
        "outcome",
        "reason",
        "duration_ms",
        "error",
        "message",
        "fix",
        "place",
        "seconds",
        "count",
    }
)
"""The only names that may appear in a line."""


@contextlib.contextmanager
def written_to(file: Path | None) -> Iterator[None]:
    """Send log lines to `file` (mode 0600, appended to) within the block, or to standard error if it is None."""
    if file is None:
        set_up(sys.stderr)
        yield
        return
    with _opened(file) as stream:
        set_up(stream)
        try:
            yield
        finally:
            set_up(sys.stderr)


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


def set_up(stream: TextIO) -> None:
    """Send log lines to `stream`."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            allow_listed,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", Unbroken(stream))),
        cache_logger_on_first_use=False,
    )


def get() -> structlog.typing.FilteringBoundLogger:
    """Return the reactor's logger."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger


def allow_listed(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop every field that is not on the list."""
    return {name: value for name, value in line.items() if name in FIELDS}


def described(error: BaseException) -> dict[str, str]:
    """Return what may be said of an exception."""
    found = {"error": type(error).__name__, "place": _place(error)}
    if isinstance(error, Error):
        found |= {"message": error.message, "fix": error.fix}
    return found


def quiet(loop: asyncio.AbstractEventLoop) -> None:
    """Have the event loop report stray exceptions by type and place alone."""
    loop.set_exception_handler(_report)


def _report(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    get().error("stray exception", **(described(error) if isinstance(error, BaseException) else {}))
    if isinstance(error, BaseException):
        forget(error)


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


def open_own(file: Path) -> int:
    """Open `file` to append to it, made with mode 0600 if missing. Raises `RefusedError` if others can reach it."""
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode) and mode & 0o077:
        os.close(descriptor)
        raise RefusedError(
            f"{file} has mode {stat.S_IMODE(mode):04o}: others than its owner can reach it.",
            fix=f"Run: chmod 600 {file}",
        )
    return descriptor


def _opened(file: Path) -> TextIO:
    return os.fdopen(open_own(file), "a", encoding="utf-8", buffering=1)

"""What a reactor needs of its own machine: room for its audit log, and file descriptors.

Without them it can do nothing, whatever its engine can. It then says so of itself: it is not ready, gives
no key, and leaves requests to the other replicas of its store.
"""

from __future__ import annotations

import contextlib
import errno
import os
from typing import NamedTuple, Protocol

from monoskope import operating_log
from monoskope.errors import chain, docs_page

NO_AUDIT = "the reactor cannot write its audit log."
NO_DESCRIPTORS = "the reactor has no file descriptors left."
KINDS = ("audit", "descriptors")
"""What can be missing, as labels of metrics."""

_SPARE = 4
"""Descriptors that must be free: a connection to the engine, a file of its driver, and the two lists of signers."""
_OUT_OF_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})


class Trouble(NamedTuple):
    """What is missing."""

    kind: str
    """One of `KINDS`."""
    told: str
    """The sentence that users may be told."""
    message: str
    """The sentence for the operator, with the name of the error."""
    fix: str


class Noted(Protocol):
    """The audit log, as far as it is asked whether it can be written."""

    def failure(self) -> OSError | None:
        """Return why the audit log cannot be written now, None if it can."""


class Resources:
    """Looks whether they are there, and logs when that changes."""

    def __init__(self, audit: Noted) -> None:
        self._audit = audit
        self._logged = ""

    def trouble(self) -> Trouble | None:
        """Return what is missing now, None if nothing is."""
        found = self._found()
        if found is not None and found.message != self._logged:
            operating_log.get().error("reactor cannot work", message=found.message, fix=found.fix)
        if found is None and self._logged:
            operating_log.get().info("reactor can work again")
        self._logged = "" if found is None else found.message
        return found

    def _found(self) -> Trouble | None:
        if (error := out_of_descriptors()) is not None:
            return Trouble(
                "descriptors",
                NO_DESCRIPTORS,
                f"no file can be opened: {_named(error)}.",
                "Raise the limit (LimitNOFILE= of the unit, `ulimit -n`) and look what holds them: ls -l /proc/PID/fd."
                f" {docs_page('operate/reactor-cannot-work.md')}",
            )
        if (error := self._audit.failure()) is not None:
            return Trouble(
                "audit",
                NO_AUDIT,
                f"audit.jsonl cannot be written: {_named(error)}.",
                "Give the disk of the reactor's folder room; it goes on by itself."
                f" {docs_page('operate/reactor-cannot-work.md')}",
            )
        return None


def is_our_own(error: BaseException) -> bool:
    """Whether an engine could not be asked because this process has no file descriptors left.

    A driver may have dropped the error that said so: then it shows for as long as there are none.
    """
    said = any(isinstance(one, OSError) and one.errno in _OUT_OF_DESCRIPTORS for one in chain(error))
    return said or out_of_descriptors() is not None


def out_of_descriptors() -> OSError | None:
    """Return why no file can be opened now, None if one can."""
    with contextlib.ExitStack() as held:
        try:
            for _ in range(_SPARE):
                held.callback(os.close, os.open("/", os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            return error
    return None


def _named(error: OSError) -> str:
    return f"{errno.errorcode.get(error.errno or 0, 'error')}, {os.strerror(error.errno or 0)}"

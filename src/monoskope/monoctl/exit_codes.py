"""The exit codes of `monoctl`: documented, stable, one for each way to end (docs/adr/0009-client-outcomes.md)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from monoskope.errors import Code, Error


class ExitCode(IntEnum):
    """How `monoctl` ends. A number never changes its meaning."""

    OK = 0
    """Done, and where it matters proven by a receipt. COMPARE: equal."""
    INTERNAL = 1
    """A defect in Monoskope."""
    USAGE = 2
    """The command line, a file or an environment variable is malformed; nothing was sent."""
    REFUSED = 3
    """Denied by right, by rate, by the engine, or because the store cannot do it."""
    NOT_FOUND = 4
    """Does not exist, or lies outside one's prefixes."""
    IDENTITY_CHANGED = 5
    """An identity is not the pinned one, nobody agreed to it, or a proof does not hold; nothing was sent."""
    CONFLICT = 6
    """Upstream is not what was expected; nothing was written."""
    UNAVAILABLE = 7
    """Something does not answer; nothing was written, and trying later can succeed."""
    TIMED_OUT = 8
    """Time was over before anything was sent."""
    OUTCOME_UNKNOWN = 9
    """It may or may not have been written."""
    UNAUTHENTICATED = 10
    """No token, or one that does not count any more."""
    ALREADY_EXISTS = 11
    """The name is taken."""
    DIFFERENT = 12
    """COMPARE: not equal."""
    INTERRUPTED = 130
    """Interrupted before anything was sent (128 and SIGINT, as shells do)."""


_CODES = {code: ExitCode[code.name] for code in Code}


def exit_code(error: Error) -> ExitCode:
    """Return the exit code of an error."""
    return _CODES[error.code]


def exit_code_of_all(errors: Sequence[Error]) -> ExitCode:
    """Return the exit code of several requests: OUTCOME_UNKNOWN if one is, else that of the first error, OK without."""
    codes = [exit_code(error) for error in errors]
    if ExitCode.OUTCOME_UNKNOWN in codes:
        return ExitCode.OUTCOME_UNKNOWN
    return codes[0] if codes else ExitCode.OK

"""One check: what was looked at, what was found, and what to do about it. `monoctl status` and `m8 doctor` print these.

Why both commands share it: docs/adr/0079-status-and-doctor.md.
"""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Self

from monoskope.errors import Error
from monoskope.exit_codes import ExitCode
from monoskope.text import escape

MOST_NAME = 32
"""Columns of a check's name at most: of a longer one the middle is cut."""
_MOST_COLUMNS = 140
_USUAL_COLUMNS = 100
"""For what goes to no terminal."""
_LEAST_SAID = 30


class Verdict(Enum):
    """What a check found."""

    OK = "OK"
    WARN = "WARN"
    """It works now, and somebody should look at it."""
    FAIL = "FAIL"
    """It does not work, or is not safe. The command ends with exit code 21."""
    NOT_KNOWN = "NOT KNOWN"
    """It could not be looked at."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check. Made by `ok`, `warn`, `fail`, `not_known` and `failed`.

    Attributes:
        name: What was looked at, in a word or two.
        verdict: What was found.
        said: The same in one sentence. It holds no secret.
        fix: What to do, as a command or a sentence; "" only where nothing is wrong.
    """

    name: str
    verdict: Verdict
    said: str
    fix: str = ""

    @classmethod
    def ok(cls, name: str, said: str) -> Self:
        """Return a check that found nothing wrong."""
        return cls(name, Verdict.OK, said)

    @classmethod
    def warn(cls, name: str, said: str, fix: str) -> Self:
        """Return a check that found what somebody should look at."""
        return cls(name, Verdict.WARN, said, fix)

    @classmethod
    def fail(cls, name: str, said: str, fix: str) -> Self:
        """Return a check that found what does not work, or is not safe."""
        return cls(name, Verdict.FAIL, said, fix)

    @classmethod
    def not_known(cls, name: str, said: str, fix: str = "") -> Self:
        """Return a check that could not be made; `said` says why."""
        return cls(name, Verdict.NOT_KNOWN, said, fix)

    @classmethod
    def failed(cls, name: str, error: Error) -> Self:
        """Return the check that met `error`, as those who run the server read it."""
        return cls.fail(name, error.for_operators, error.fix or "Correct that, then run this again.")


def ending(checks: Iterable[Check]) -> ExitCode:
    """Return how a command ends that made these checks."""
    failed = any(check.verdict is Verdict.FAIL for check in checks)
    return ExitCode.CHECK_FAILED if failed else ExitCode.OK


def documents(checks: Iterable[Check]) -> list[dict[str, str]]:
    """Return the checks as JSON has them."""
    return [{"check": one.name, "verdict": one.verdict.value, "said": one.said, "fix": one.fix} for one in checks]


def lines(checks: Sequence[Check], columns: int = 0) -> list[str]:
    """Return the checks as people read them, in aligned rows. Whatever is not printable is escaped.

    A sentence is folded between words. A fix stands whole on a line of its own, so that a command can be copied.

    Args:
        checks: In their order.
        columns: How wide a line is; 0 for the terminal's width.
    """
    width = columns or min(shutil.get_terminal_size((_USUAL_COLUMNS, 24)).columns, _MOST_COLUMNS)
    names = [_short(escape(check.name)) for check in checks]
    verdicts = max((len(check.verdict.value) for check in checks), default=0)
    named = max(map(len, names), default=0)
    indent = " " * (verdicts + named + 4)
    found: list[str] = []
    for check, name in zip(checks, names, strict=True):
        said = textwrap.wrap(
            escape(check.said),
            max(width - len(indent), _LEAST_SAID),
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]
        begin = f"{check.verdict.value:<{verdicts}}  {name:<{named}}  "
        found += [f"{begin if number == 0 else indent}{line}" for number, line in enumerate(said)]
        if check.fix:
            found.append(f"{indent}fix: {escape(check.fix)}")
    return found


def _short(name: str) -> str:
    """Return a name without its middle if it is too long: its end tells two alike apart."""
    if len(name) <= MOST_NAME:
        return name
    half = (MOST_NAME - 1) // 2
    return f"{name[: MOST_NAME - 1 - half]}…{name[-half:]}"

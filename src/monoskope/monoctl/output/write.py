"""The only code that writes to stdout and stderr, and that asks, by `questions`. It escapes all that is unprintable.

Names, labels, versions and sentences come from others and may hold control characters. Do not print elsewhere.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

import click

from monoskope.errors import Error
from monoskope.escape import escape
from monoskope.monoctl.output import questions

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

_CLEAR = "\r\x1b[2K"


class UnwritableError(Error):
    """Standard output cannot be written. A command prints what it did, so that was done before."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"standard output cannot be written: {why}. What the command had to do was done before.",
            fix="Look at it with `monoctl get events`, before you do it again.",
        )


def out(*lines: str, mark: str = "", end: str = "\n", **style: str | bool) -> None:
    """Write lines to stdout, escaped.

    Args:
        lines: Each without its line feed; one inside is escaped.
        mark: Words of ours before the first line, in `style` where stdout may have colour.
        end: What follows the last line.
        style: As for `click.style`.
    """
    try:
        click.echo(f"{styled(mark, sys.stdout, **style)}{_joined(lines)}{end}", nl=False)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UnwritableError(error.strerror or type(error).__name__) from None


def err(*lines: str, mark: str = "", end: str = "\n", over: bool = False, **style: str | bool) -> None:
    """Write lines to stderr as `out` does to stdout; `over` first clears the terminal's last line."""
    clear = _CLEAR if over and sys.stderr.isatty() else ""
    click.echo(f"{clear}{styled(mark, sys.stderr, **style)}{_joined(lines)}{end}", err=True, nl=False)


def confirm(question: str) -> bool:
    """Ask a yes-or-no question on the terminal; no is the default. Lines before its last one are printed first."""
    while True:
        answer = questions.ask(f"{_escaped(question)} [y/N]: ", fresh=True).strip().lower()
        if answer in {"", "n", "no", "y", "yes"}:
            return answer in {"y", "yes"}


def prompt(question: str, *, hidden: bool = False) -> str:
    """Ask for one line on the terminal; it may be empty. What is hidden is not shown while it is typed."""
    return questions.ask(f"{_escaped(question)}: ", hidden=hidden)


def _escaped(question: str) -> str:
    return _joined(tuple(question.split("\n")))


def bar(total: int, label: str) -> ProgressBar[int]:
    """Return a bar on stderr that counts to `total`; it is drawn while it is used as a context."""
    return click.progressbar(length=total, label=escape(label), show_pos=True, file=sys.stderr)


def coloured(stream: TextIO) -> bool:
    """Whether `stream` may have colour: a terminal, NO_COLOR unset or empty (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _joined(lines: tuple[str, ...]) -> str:
    return "\n".join(escape(line) for line in lines)


def styled(text: str, stream: TextIO, **style: str | bool) -> str:
    """Return `text`, escaped, in colour if `stream` may have it."""
    shown = escape(text)
    return click.style(shown, **style) if text and coloured(stream) else shown  # type: ignore[arg-type]

"""The terminal: the only code that writes to stdout and stderr, and that asks. It escapes what is unprintable.

Names, labels, versions and sentences come from others and may hold control characters. Do not print elsewhere.

Questions are asked on the terminal itself, `/dev/tty`, as ssh asks them: stdin may hold a value, and stderr may be a
file. Ctrl-C and Ctrl-D at a question are `click.Abort`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

import click

from monoskope.errors import Error, UsageError
from monoskope.text import escape

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

TERMINAL = "/dev/tty"
_CLEAR = "\r\x1b[2K"
_NARROWEST = 20
"""Columns beside an indent in which text is still folded."""


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


def folded(text: str, indent: int, stream: TextIO) -> list[str]:
    """Return `text`, escaped, in lines that fit a terminal beside `indent` columns, the later ones indented by them.

    A terminal breaks a long line itself, and others could write so that what follows looks like a line of ours. What
    goes to no terminal, or to one that is too narrow, is one line.
    """
    shown = escape(text)
    room = (os.get_terminal_size(stream.fileno()).columns if stream.isatty() else 0) - indent
    if room < _NARROWEST:
        return [shown]
    lines, left = [""], room
    for character in shown:
        takes = 1 if character.isascii() else 2  # at most: many take one column, and some none
        if takes > left:
            lines.append(" " * indent)
            left = room
        lines[-1] += character
        left -= takes
    return lines


def note(text: str) -> None:
    """Print something that the user should know."""
    err(text, mark="note: ", over=True, fg="yellow")


def warn(text: str) -> None:
    """Print that something is wrong."""
    err(text, mark="warning: ", over=True, fg="red")


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


def confirm(question: str) -> bool:
    """Ask a yes-or-no question on the terminal; no is the default. Lines before its last one are printed first."""
    while True:
        answer = ask(f"{_escaped(question)} [y/N]: ", fresh=True).strip().lower()
        if answer in {"", "n", "no", "y", "yes"}:
            return answer in {"y", "yes"}


def agree(question: str, *, yes: bool, otherwise: str) -> None:
    """Ask whether to go on, unless `yes` was given. Raises `UsageError` if the user cannot be asked, or says no."""
    if yes:
        return
    if not interactive():
        raise UsageError("there is no terminal to ask on.", fix="Say --yes if you mean it.")
    if not confirm(question):
        raise UsageError(f"you did not agree; {otherwise}.", fix="Nothing to do.")


def prompt(question: str, *, hidden: bool = False) -> str:
    """Ask for one line on the terminal; it may be empty. What is hidden is not shown while it is typed."""
    return ask(f"{_escaped(question)}: ", hidden=hidden)


def _escaped(question: str) -> str:
    return _joined(tuple(question.split("\n")))


def passphrase(question: str) -> str:
    """Ask for a passphrase on the terminal; it is not shown."""
    return prompt(question, hidden=True)


def interactive() -> bool:
    """Whether a user can be asked: this process has a controlling terminal, or stdin and stderr are a terminal."""
    descriptor = _open()
    if descriptor is None:
        return sys.stdin.isatty() and sys.stderr.isatty()
    os.close(descriptor)
    return True


def ask(question: str, *, hidden: bool = False, fresh: bool = False) -> str:
    """Ask for one line and return it, "" for an empty one.

    Args:
        question: What is shown before the answer, without a line feed at its end.
        hidden: Do not show what is typed. The terminal shows it again afterwards, however the question ends.
        fresh: Forget what was typed before the question was shown, as the rest of a pasted text. Hidden ones always do.

    Raises:
        click.Abort: Ctrl-C or Ctrl-D.
        UsageError: the answer is not UTF-8.
    """
    descriptor = _open()
    try:
        with _signals():
            if descriptor is None:
                return _without_controlling_terminal(question, hidden=hidden)
            if not hidden:
                return _line(descriptor, question, fresh=fresh)
            import getpass  # noqa: PLC0415 - seldom asked for

            return getpass.getpass(question)
    except (KeyboardInterrupt, EOFError):
        _end_line(descriptor)
        raise click.Abort from None
    except _SignalError as caught:
        os.kill(os.getpid(), caught.number)  # as it would have ended without a question
        raise click.Abort from None
    except UnicodeDecodeError:
        raise UsageError("the answer is not UTF-8.", fix="Use --from-file for other bytes.") from None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _open() -> int | None:
    try:
        return os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None


class _SignalError(Exception):
    """A signal that ends a process came while a question was open."""

    def __init__(self, number: int) -> None:
        self.number = number


@contextmanager
def _signals() -> Iterator[None]:
    """Let a signal end the question first, so that a terminal that hides what is typed shows it again.

    An event loop handles Ctrl-C itself, and would act on it only after the question is answered.
    """

    def end(number: int, _frame: object) -> None:
        raise _SignalError(number)

    before = {signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler)}
    for name in ("SIGTERM", "SIGHUP", "SIGQUIT"):  # not every system has them all
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _line(descriptor: int, question: str, *, fresh: bool) -> str:
    if fresh:
        import termios  # noqa: PLC0415 - not on every system, and where it is not there is no /dev/tty either

        termios.tcflush(descriptor, termios.TCIFLUSH)
    os.write(descriptor, question.encode(errors="replace"))
    with os.fdopen(descriptor, encoding="utf-8", closefd=False) as terminal:
        line = terminal.readline()
    if not line:
        raise EOFError
    return line.removesuffix("\n")


def _end_line(descriptor: int | None) -> None:
    with suppress(OSError):
        os.write(2 if descriptor is None else descriptor, b"\n")


def _without_controlling_terminal(question: str, *, hidden: bool) -> str:
    *said, last = question.split("\n")
    if said:
        err(*said)
    answer = click.prompt(last, prompt_suffix="", default="", show_default=False, hide_input=hidden, err=True)
    return str(answer)

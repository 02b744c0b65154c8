"""Questions on the terminal itself, `/dev/tty`, as ssh asks them: stdin may hold a value, and stderr may be a file.

Who calls this has escaped the text. Ctrl-C and Ctrl-D at a question are `click.Abort`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click

from monoskope.errors import UsageError

TERMINAL = "/dev/tty"


def possible() -> bool:
    """Whether somebody can be asked: this process has a controlling terminal, or stdin and stderr are a terminal."""
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
    for line in said:
        click.echo(line, err=True)
    answer = click.prompt(last, prompt_suffix="", default="", show_default=False, hide_input=hidden, err=True)
    return str(answer)

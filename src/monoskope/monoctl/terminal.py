"""What is done only for people: questions, notes, colour and a spinner, on stderr. Pipes see none of it but notes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TextIO

import click

from monoskope.client.channel import printable
from monoskope.client.task import Progress, Stage

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_CLEAR = "\r\x1b[2K"
_SAYS = {
    Stage.ASKING: "waiting for a key of the reactor",
    Stage.SENT: "sealed and sent, waiting for the receipt",
    Stage.ENDED: "done",
}


def interactive() -> bool:
    """Whether there is somebody to ask: stdin and stderr are a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def coloured(stream: TextIO) -> bool:
    """Whether `stream` may have colour: a terminal, NO_COLOR unset or empty (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def styled(text: str, stream: TextIO, **style: str | bool) -> str:
    """Return `text` with colour if `stream` may have it."""
    return click.style(text, **style) if coloured(stream) else text  # type: ignore[arg-type]


def confirm(question: str) -> bool:
    """Ask a yes-or-no question on the terminal; no is the default."""
    said, _, asked = question.rpartition("\n")
    if said:
        click.echo(printable(said), err=True)
    # The event loop takes Ctrl-C for itself, and would act on it only once the question is answered.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return click.confirm(printable(asked), default=False, err=True)
    finally:
        signal.signal(signal.SIGINT, before)


def note(text: str) -> None:
    """Tell something that the user should know."""
    line = _CLEAR if sys.stderr.isatty() else ""
    click.echo(f"{line}{styled('note:', sys.stderr, fg='yellow')} {printable(text)}", err=True)


class Watch:
    """Remembers how far each request is, and shows it on a terminal."""

    def __init__(self) -> None:
        self._requests: dict[bytes, Progress] = {}
        """Every request with its latest stage: an attempt that ended unproven counts although a new one was begun."""
        self._task: asyncio.Task[None] | None = None

    def observe(self, progress: Progress) -> None:
        """Take note of a stage."""
        self._requests[progress.request_id] = progress
        if self._task is None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            self._task = asyncio.get_running_loop().create_task(self._spin())

    def sent(self) -> list[Progress]:
        """Return the requests that were sent and whose end is not known; a later success settles those before it."""
        settled = {str(progress.uri) for progress in self._requests.values() if progress.succeeded}
        found = [progress for progress in self._requests.values() if progress.stage is Stage.SENT]
        return [progress for progress in found if str(progress.uri) not in settled]

    def ended(self) -> list[Progress]:
        """Return the requests whose end a receipt proved."""
        return [progress for progress in self._requests.values() if progress.stage is Stage.ENDED]

    async def stop(self) -> None:
        """Take the spinner away."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _spin(self) -> None:
        frame = 0
        try:
            while True:
                latest = {str(progress.uri): progress for progress in self._requests.values()}
                waiting = [progress for progress in latest.values() if progress.stage is not Stage.ENDED]
                text = f"{waiting[0].uri}: {_SAYS[waiting[0].stage]}" if waiting else "finishing"
                sys.stderr.write(f"{_CLEAR}{_FRAMES[frame % len(_FRAMES)]} {text}")
                sys.stderr.flush()
                frame += 1
                await asyncio.sleep(0.1)
        finally:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()

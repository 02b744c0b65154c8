"""Output for people: questions, notes, colour and a spinner, on stderr. Without a terminal only notes are printed."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable

from monoskope.client.task import Progress, Stage
from monoskope.monoctl.output import questions, write

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_SAYS = {
    Stage.ASKING: "waiting for a key of the reactor",
    Stage.SENT: "sealed and sent, waiting for the receipt",
    Stage.ENDED: "done",
}


def interactive() -> bool:
    """Return whether a user can be asked. What stdin is does not matter: it may hold a value."""
    return questions.possible()


def note(text: str) -> None:
    """Print something that the user should know."""
    write.err(text, mark="note: ", over=True, fg="yellow")


def warn(text: str) -> None:
    """Print that something is wrong."""
    write.err(text, mark="warning: ", over=True, fg="red")


class Watch:
    """Remembers how far each request is, and shows it on a terminal.

    Args:
        quiet: Whether something else is shown there now.
    """

    def __init__(self, *, quiet: Callable[[], bool] = lambda: False) -> None:
        self._quiet = quiet
        self._requests: dict[bytes, Progress] = {}
        """Every request with its latest stage. An attempt that ended without proof counts, also if a new one has
        begun."""
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
        """Remove the spinner."""
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
                if not self._quiet():
                    write.err(f"{_FRAMES[frame % len(_FRAMES)]} {text}", end="", over=True)
                frame += 1
                await asyncio.sleep(0.1)
        finally:
            write.err(end="", over=True)

"""Output for people, on stderr: questions, notes, how far requests are. Without a terminal only notes are printed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from monoskope.client.task import Progress, Stage
from monoskope.monoctl.output import questions, write

if TYPE_CHECKING:
    from monoskope.monoctl.output.spinner import Spinner  # loads asyncio

_SAYS = {
    Stage.ASKING: "waiting for a key of the reactor",
    Stage.SIGNING: "signing the request",
    Stage.SENT: "sealed and sent, waiting for the receipt",
    Stage.ENDED: "done",
}


def interactive() -> bool:
    """Return whether a user can be asked. What stdin is does not matter: it may hold a value."""
    return questions.possible()


def passphrase(question: str) -> str:
    """Ask for a passphrase on the terminal; it is not shown."""
    return write.prompt(question, hidden=True)


def note(text: str) -> None:
    """Print something that the user should know."""
    write.err(text, mark="note: ", over=True, fg="yellow")


def warn(text: str) -> None:
    """Print that something is wrong."""
    write.err(text, mark="warning: ", over=True, fg="red")


def _said(progress: Progress) -> str:
    return "touch your security key to sign the request" if progress.touch else _SAYS[progress.stage]


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
        self._shown = False
        self.spinner: Spinner | None = None
        """Turns what is shown, where an event loop can; else it stands still."""

    def observe(self, progress: Progress) -> None:
        """Take note of a stage."""
        self._requests[progress.request_id] = progress
        if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
            return
        self._shown = True
        if self.spinner is None:
            self.show("…")
        else:
            self.spinner.start(self.show)

    def sent(self) -> list[Progress]:
        """Return the requests that were sent and whose end is not known; a later success settles those before it."""
        settled = {str(progress.uri) for progress in self._requests.values() if progress.succeeded}
        found = [progress for progress in self._requests.values() if progress.stage is Stage.SENT]
        return [progress for progress in found if str(progress.uri) not in settled]

    def ended(self) -> list[Progress]:
        """Return the requests whose end a receipt proved."""
        return [progress for progress in self._requests.values() if progress.stage is Stage.ENDED]

    def show(self, mark: str) -> None:
        """Show the first request that has not ended, after `mark`, in the terminal's last line."""
        latest = {str(progress.uri): progress for progress in self._requests.values()}
        waiting = [progress for progress in latest.values() if progress.stage is not Stage.ENDED]
        text = f"{waiting[0].uri}: {_said(waiting[0])}" if waiting else "finishing"
        if not self._quiet():
            write.err(f"{mark} {text}", end="", over=True)

    def clear(self) -> None:
        """Remove that line."""
        if self._shown:
            self._shown = False
            write.err(end="", over=True)

"""How far a command is, on a terminal's stderr: a bar for several secrets, a line for requests."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from monoskope.client.walk.task import Progress, Stage
from monoskope.monoctl.output import terminal

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

    from monoskope.client.walk.pace import Tally

_SAYS = {
    Stage.ASKING: "waiting for a key of the reactor",
    Stage.SIGNING: "signing the request",
    Stage.SENT: "sealed and sent, waiting for the receipt",
    Stage.ENDED: "done",
}
SHOWN_AFTER_S = 1.0
"""What is over sooner needs no bar."""


class Bar:
    """Shows how many of several secrets have ended.

    Args:
        now: Monotonic seconds.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began: float | None = None
        self._bar: ProgressBar[int] | None = None
        self._shown = ExitStack()

    @property
    def visible(self) -> bool:
        """Whether it is shown: then nothing else may write over its line."""
        return self._bar is not None

    def tell(self, tally: Tally) -> None:
        """Take note of how far it is."""
        if self._began is None:
            self._began = self._now()
        if self._bar is None:
            if not is_terminal() or self._now() - self._began < SHOWN_AFTER_S:
                return
            self._bar = self._shown.enter_context(terminal.bar(tally.total, "secrets"))
        if (more := tally.ended - self._bar.pos) > 0:
            self._bar.update(more)

    def stop(self) -> None:
        """End it, and give the terminal its cursor back."""
        self._shown.close()
        self._bar = None


def is_terminal() -> bool:
    """Whether progress can be shown: stderr is a terminal that can write over a line."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


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
        self.proposed = ""
        """The change that is waited for, "" for none."""

    def observe(self, progress: Progress) -> None:
        """Take note of a stage."""
        self._requests[progress.request_id] = progress
        if not is_terminal():
            return
        self._shown = True
        self._show()

    def sent(self) -> list[Progress]:
        """Return the requests that were sent and whose end is not known; a later success settles those before it."""
        settled = {str(progress.uri) for progress in self._requests.values() if progress.succeeded}
        found = [progress for progress in self._requests.values() if progress.stage is Stage.SENT]
        return [progress for progress in found if str(progress.uri) not in settled]

    def ended(self) -> list[Progress]:
        """Return the requests whose end a receipt proved."""
        return [progress for progress in self._requests.values() if progress.stage is Stage.ENDED]

    def _show(self) -> None:
        """Show the first request that has not ended in the terminal's last line."""
        latest = {str(progress.uri): progress for progress in self._requests.values()}
        waiting = [progress for progress in latest.values() if progress.stage is not Stage.ENDED]
        text = f"{waiting[0].uri}: {_said(waiting[0])}" if waiting else "finishing"
        if not self._quiet():
            terminal.err(f"… {text}", end="", over=True)

    def clear(self) -> None:
        """Remove that line."""
        if self._shown:
            self._shown = False
            terminal.err(end="", over=True)

"""The bar of a command about several secrets: on a terminal's stderr alone, once a second has passed.

It counts, and names nothing.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from monoskope.monoctl.output import write

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

    from monoskope.client.bulk import Tally  # a good `version` never needs it

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
            if not _is_terminal() or self._now() - self._began < SHOWN_AFTER_S:
                return
            self._bar = self._shown.enter_context(write.bar(tally.total, "secrets"))
        if (more := tally.ended - self._bar.pos) > 0:
            self._bar.update(more)

    def stop(self) -> None:
        """End it, and give the terminal its cursor back."""
        self._shown.close()
        self._bar = None


def _is_terminal() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

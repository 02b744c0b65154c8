"""Running the garbage collector soon after each use of the engine, and after a request has ended.

Libraries leave exceptions, parsers and connections in circles that hold one another, and what was read or sent with
them: an HTTP client after each answer that it could not parse, for one. Nothing else frees those, and Python's own
collector runs by the number of new objects, which in an idle process may be hours away.
"""

from __future__ import annotations

import asyncio
import gc

SOON_S = 0.3
"""Seconds to the collection: connections that broke have been given up by then."""


class Garbage:
    """Collects it. Not for several threads."""

    def __init__(self) -> None:
        self._due: asyncio.TimerHandle | None = None
        self._again = False

    def collect_soon(self) -> None:
        """Collect in `SOON_S`; what comes until then is collected so long after that collection, at the latest."""
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(SOON_S, self._collect)
        else:
            self._again = True

    def _collect(self) -> None:
        self._due = None
        gc.collect()
        if self._again:
            self._again = False
            self.collect_soon()


def spare_what_is_here() -> None:
    """Let collections pass over what exists now, such as modules: a few milliseconds each instead of many."""
    gc.collect()
    gc.freeze()

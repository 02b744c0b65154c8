"""Run the garbage collector soon after each use of the engine, and after a request has ended.

Libraries leave reference cycles of exceptions, parsers and connections, which hold what was read or sent: an HTTP
client, for example, after each answer that it could not parse. Only the garbage collector frees those. Python starts it
by the number of new objects, which in an idle process may take hours.
"""

from __future__ import annotations

import asyncio
import gc

SOON_S = 0.3
"""Seconds to the collection: by then broken connections have been given up."""


class Garbage:
    """Collects garbage a little later. Not for several threads."""

    def __init__(self) -> None:
        self._due: asyncio.TimerHandle | None = None
        self._again = False

    def collect_soon(self) -> None:
        """Collect in `SOON_S` seconds; if called again before that, also once more as long after it."""
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
    """Exempt what exists now, such as modules, from collections: each then takes a few milliseconds instead of many."""
    gc.collect()
    gc.freeze()

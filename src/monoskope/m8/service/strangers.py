"""Calls of strangers, summed by address and minute: who shows no valid token writes no line for each call.

A stranger is a caller who has not shown who they are: by a valid token, by a reactor's login, or by a token of an
issuer that was exchanged. A line for each of their calls would fill the operating log, and push the lines of others out
of the files in which they are kept.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TypeAlias

from monoskope import operating_log
from monoskope.m8.limits.connections import origin
from monoskope.m8.service.call_note import CallNote

MINUTE_MS = 60_000

MOST_ADDRESSES = 100
"""Addresses of one minute that have a line of their own. All others share one."""

OTHERS = "others"
"""What stands in place of the address in that line."""

MOST_ENDS = 32
"""In how many different ways the calls of one address end in its line. All further ones are summed."""

TellStrangers: TypeAlias = Callable[[str, Mapping[str, int]], None]
"""Takes note of the calls of an address in a minute: how they ended, and how often. It is quick, and never fails."""


class Strangers:
    """Sums the calls of one process.

    Args:
        clock: Milliseconds since 1970.
        tick_s: Between two looks whether a minute is over.
    """

    def __init__(self, clock: Callable[[], int], *, tick_s: float) -> None:
        self._clock = clock
        self._tick_s = tick_s
        self._sums: dict[str, Counter[str]] = {}
        self.tell: TellStrangers | None = None
        """Set where access lines are wanted."""

    def count(self, noted: CallNote) -> None:
        """Count a call that has ended, by the address of its peer."""
        address = origin(noted.peer)
        if address not in self._sums and len(self._sums) >= MOST_ADDRESSES:
            address = OTHERS
        ends = self._sums.setdefault(address, Counter())
        about = (noted.about.get(name, "") for name in ("store", "issuer", "reason", "for_member"))
        end = " ".join(filter(None, (noted.method, noted.code, *about)))
        ends[end if end in ends or len(ends) < MOST_ENDS else OTHERS] += 1

    async def run(self) -> None:
        """Tell of each minute when it is over, until cancelled; then of the one that has begun."""
        minute = self._clock() // MINUTE_MS
        try:
            while True:
                await asyncio.sleep(self._tick_s)
                if (now := self._clock() // MINUTE_MS) != minute:
                    minute = now
                    self.flush()
        finally:
            self.flush()

    def flush(self) -> None:
        """Tell of all calls that were not told of."""
        sums, self._sums = self._sums, {}
        for address, ends in sums.items():
            operating_log.get().info("calls of strangers", address=address, calls=ends.total(), ends=dict(ends))
            if self.tell is not None:
                self.tell(address, ends)

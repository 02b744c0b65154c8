"""Whether m8 is ready follows the event log: not from a write that failed until the largest there can be succeeds.

On a full disk queries can still be answered then, but no put can be kept. A database that is gone is noticed by a read
at each look, because nobody may be writing.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from monoskope import operating_log
from monoskope.errors import Error, UnavailableError
from monoskope.m8.log.event_log import MAX_DATA
from monoskope.m8.service.app import App

PROBE = MAX_DATA
"""Bytes that are written to find out whether the log works again: as many as the largest event, and random, because
PostgreSQL compresses what it can. A smaller write may fit where the next put does not."""

RESERVE_S = 600.0
"""How often the reserve is looked after."""


class LogWatch:
    """Watches the writes of one process to the log.

    Args:
        app: What writes.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._seen = app.log.write_failure
        self._is_failing = False

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._app.limits.tick_s)

    async def look(self) -> None:
        """Look once. While the log fails, this tries to write."""
        failure = self._app.log.write_failure
        is_new = failure is not None and failure is not self._seen
        if is_new:
            self._app.meters.write_failures.inc()
        shown = failure if is_new else await self._read_failure()
        if shown is not None and not self._is_failing:
            self._is_failing = True
            self._app.state.log_is_writable = False
            operating_log.get().error(
                "the event log cannot be written", code=shown.code.value, message=shown.for_operators, fix=shown.fix
            )
        self._seen = failure
        if self._is_failing and await self._works_again():
            self._is_failing = False
            self._app.state.log_is_writable = True
            operating_log.get().info("the event log can be written again")

    async def _read_failure(self) -> Error | None:
        """Return why the log cannot be read, None if it can. While it fails anyway, only a write counts."""
        if self._is_failing:
            return None
        try:
            await self._app.log.head()
        except UnavailableError as error:
            return error
        return None

    async def _works_again(self) -> bool:
        is_written = True
        try:
            await self._app.log.try_write(await asyncio.to_thread(os.urandom, PROBE))
        except UnavailableError:
            is_written = False
        # An append of others may have failed meanwhile.
        known, self._seen = self._seen, self._app.log.write_failure
        return is_written and self._seen is known


class ReserveWatch:
    """Keeps disk space for erasing (`log.reserve`).

    Args:
        make: Makes it if it is not there and there is room, and returns whether it is there. May block.
    """

    def __init__(self, make: Callable[[], bool]) -> None:
        self._make = make
        self._is_missed = False

    async def run(self) -> None:
        """Look after it again and again, until cancelled."""
        while True:
            is_made = await asyncio.to_thread(self._make)
            if not is_made and not self._is_missed:
                operating_log.get().warning(
                    "the disk has no room for the reserve",
                    message="If the disk becomes full, sealed bytes cannot be erased.",
                    fix="Free some space. m8 makes the reserve by itself.",
                )
            self._is_missed = not is_made
            await asyncio.sleep(RESERVE_S)

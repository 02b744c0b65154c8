"""Notes the last position of the log outside of the database, and notices a database that ends before it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from monoskope import operating_log
from monoskope.errors import Error, UnavailableError, UsageError
from monoskope.m8.background.goodbye import goodbye
from monoskope.m8.log import noted
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.log.noted import Noted

NOTE_S = 60.0
"""How often it is written."""


class PositionNote:
    """The file `noted-position` of one process's folder.

    Args:
        log: Whose last position it is.
        folder: Where the file lies.
    """

    def __init__(self, log: EventLog, folder: Path) -> None:
        self._log = log
        self._folder = folder
        self._written: Noted | None = None
        self._is_failing = False
        self._has_told = False

    async def run(self) -> None:
        """Write again and again until cancelled, and once more then."""
        try:
            while True:
                await self.write()
                await asyncio.sleep(NOTE_S)
        finally:
            async with goodbye():
                await self.write()

    async def write(self) -> None:
        """Write the last position, unless a later one is noted. If that fails, the operating log says so once.

        It also says if the log lacks what this process noted before, as after a failover to a standby that lagged.
        """
        try:
            at = await noted.last(self._log)
            if at != self._written and at.position:
                if self._written is not None and not await self._has(self._written):
                    self._tell(self._written)
                if await asyncio.to_thread(noted.advance, self._folder, at):
                    self._written = at
            self._is_failing = False
        except (UsageError, UnavailableError) as error:
            if not self._is_failing:
                operating_log.get().warning("the last position is not noted", message=error.message, fix=error.fix)
            self._is_failing = True

    async def compare(self) -> None:
        """Compare with the log before this process serves it. The operating log says if it lacks what was noted."""
        try:
            found = await asyncio.to_thread(noted.find, self._folder)
            if found is None or await self._has(found):
                return
        except Error as error:
            operating_log.get().warning("the noted position is not compared", message=error.message, fix=error.fix)
            return
        self._tell(found)

    def _tell(self, found: Noted) -> None:
        if self._has_told:
            return
        self._has_told = True
        operating_log.get().error(
            "the event log lacks what was noted",
            message=f"Position {found.position} was noted in {noted.FILE}, and the log has no such record.",
            fix="If nobody restored a backup, find out who put an older or another database in its place.",
        )

    async def _has(self, found: Noted) -> bool:
        events = await self._log.read(after=found.position - 1, limit=1) if found.position else []
        return not found.position or any(found.hash in (b"", event.hash) for event in events)

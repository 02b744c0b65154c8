"""What each m8 process watches, and tells its operating log: its certificate, its event log, and its disk.

Whether m8 is ready follows the event log: not from a write that failed until the largest there can be succeeds. On a
full disk queries can still be answered then, but no put can be kept. A database that is gone is noticed by a read at
each look, because nothing may be writing. The last position of the log is noted outside of the database, so that a
database that ends before it is noticed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from monoskope import operating_log
from monoskope.errors import Error, UnavailableError, UsageError
from monoskope.m8.background.leased import again, last_write
from monoskope.m8.log.event_log import MAX_DATA, EventLog
from monoskope.m8.log.folder import FILE, Noted
from monoskope.m8.service.app import App
from monoskope.text import counted
from monoskope.times import instant

LOOK_S = 10.0
"""How often the files are looked at. Each handshake looks besides, so this is for the log alone."""

WARN_MS = 30 * 86_400_000
"""How long before the certificate expires the warnings begin."""

_DAY_MS = 86_400_000


class Presented(Protocol):
    """The certificate that m8 presents."""

    @property
    def expires_at_ms(self) -> int:
        """When it expires, milliseconds since 1970."""

    @property
    def failure(self) -> Error | None:
        """Why the files cannot be used as they are now."""

    def refresh(self) -> bool:
        """Read the files again if they have changed, and return whether another certificate is presented now."""


class CertificateWatch:
    """Looks at the certificate again and again."""

    def __init__(self, app: App, presented: Presented) -> None:
        self._app = app
        self._presented = presented
        self._expires_at_ms = presented.expires_at_ms
        self._failure: Error | None = None
        self._warned_at_ms: float | None = None

    async def run(self) -> None:
        """Look until cancelled."""
        await again(self.look, every_s=LOOK_S)

    async def look(self) -> None:
        """Look once, and say in the operating log what is new; that it expires soon, once a day."""
        self._presented.refresh()
        log = operating_log.get()
        expires = self._presented.expires_at_ms
        # A handshake may have read the new files before.
        if expires != self._expires_at_ms:
            self._expires_at_ms, self._warned_at_ms = expires, None
            log.info("certificate renewed", message=f"It expires at {instant(expires)}.")
        failure = self._presented.failure
        if failure is not None and failure is not self._failure:
            log.warning(
                "the new certificate is not used", code=failure.code.value, message=failure.message, fix=failure.fix
            )
        self._failure = failure
        self._warn()

    def _warn(self) -> None:
        left_ms = self._presented.expires_at_ms - self._app.clock()
        now_ms = self._app.ticks()
        if left_ms > WARN_MS or (self._warned_at_ms is not None and now_ms - self._warned_at_ms < _DAY_MS):
            return
        self._warned_at_ms = now_ms
        at, left = instant(self._presented.expires_at_ms), counted(left_ms // _DAY_MS, "day")
        operating_log.get().warning(
            "the certificate expires soon" if left_ms > 0 else "the certificate has expired",
            message=f"It expires at {at}, in {left}." if left_ms > 0 else f"It expired at {at}.",
            fix="Renew it: m8 tls renew",
        )


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
        await again(self.look, every_s=self._app.limits.tick_s)

    async def look(self) -> None:
        """Look once. While the log fails, this tries to write."""
        failure = self._app.log.write_failure
        is_new = failure is not None and failure is not self._seen
        if is_new:
            self._app.meters.write_failures.inc()
        shown = failure if is_new else await self._read_failure()
        if shown is not None and not self._is_failing:
            self._is_failing = True
            self._app.log_is_writable = False
            operating_log.get().error(
                "the event log cannot be written", code=shown.code.value, message=shown.for_operators, fix=shown.fix
            )
        self._seen = failure
        if self._is_failing and await self._works_again():
            self._is_failing = False
            self._app.log_is_writable = True
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
        await again(self._look, every_s=RESERVE_S)

    async def _look(self) -> None:
        is_made = await asyncio.to_thread(self._make)
        if not is_made and not self._is_missed:
            operating_log.get().warning(
                "the disk has no room for the reserve",
                message="If the disk becomes full, sealed bytes cannot be erased.",
                fix="Free some space. m8 makes the reserve by itself.",
            )
        self._is_missed = not is_made


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
            await again(self.write, every_s=NOTE_S)
        finally:
            async with last_write():
                await self.write()

    async def write(self) -> None:
        """Write the last position, unless a later one is noted. If that fails, the operating log says so once.

        It also says if the log lacks what this process noted before, as after a failover to a standby that lagged.
        """
        try:
            at = await Noted.last(self._log)
            if at != self._written and at.position:
                if self._written is not None and not await self._has(self._written):
                    self._tell(self._written)
                if await asyncio.to_thread(at.advance, self._folder):
                    self._written = at
            self._is_failing = False
        except (UsageError, UnavailableError) as error:
            if not self._is_failing:
                operating_log.get().warning("the last position is not noted", message=error.message, fix=error.fix)
            self._is_failing = True

    async def compare(self) -> None:
        """Compare with the log before this process serves it. The operating log says if it lacks what was noted."""
        try:
            found = await asyncio.to_thread(Noted.find, self._folder)
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
            message=f"Position {found.position} was noted in {FILE}, and the log has no such record.",
            fix="If nobody restored a backup, find out who put an older or another database in its place.",
        )

    async def _has(self, found: Noted) -> bool:
        events = await self._log.read(after=found.position - 1, limit=1) if found.position else []
        return not found.position or any(found.hash in (b"", event.hash) for event in events)

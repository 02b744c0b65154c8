"""Holds m8 to its log: its newest checkpoint is checked while a command's first call is under way.

A check begins together with a call that is made anyway, and costs no round trip of its own. Nothing is sealed, and no
answer is given to a caller, before it has ended. What comes of a request that was sent is reported whatever the log is
like: calls about it neither begin a check nor wait for one (docs/witnessed-log.md).
"""

from __future__ import annotations

import _thread
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from monoskope.client.connection import CALL_TIMEOUT_S, Connection
from monoskope.client.known.logs import KnownLogs
from monoskope.client.log.check import LogCheck, Looked
from monoskope.client.runtime import Task, left, within
from monoskope.client.settings import ClientSettings
from monoskope.errors import (
    Error,
    UnavailableError,
    again,
)

if TYPE_CHECKING:
    from monoskope.protocol.tlog.checkpoint import Checkpoint

AGAIN_AFTER_S = 10.0
"""A check counts for so many seconds: m8 makes checkpoints no more often."""


class LogWatch:
    """The checks of one client. Its promises are those of `connection.Watch`.

    Args:
        connection: To m8.
        settings: What is demanded, and how its user names the server.
        system: The administrator's file of known logs.
        notify: Told what the user should know, once.
    """

    def __init__(
        self, connection: Connection, settings: ClientSettings, *, system: Path, notify: Callable[[str], None]
    ) -> None:
        self._runtime = connection.runtime
        self._server = settings.server
        self._notify = notify
        self._told: set[str] = set()
        self.known = KnownLogs(settings.known_logs_path, system=system, servers=settings.servers)
        """What is known of logs."""
        self.check = LogCheck(connection, settings, self.known)
        """Looks at the log."""
        self._guard = _thread.allocate_lock()
        """Held while the state below changes: the calls of several threads may begin and end a check."""
        self._task: Task[Looked] | None = None
        """The check that is under way."""
        self._failed: Error | None = None
        self._counts_until = -float("inf")
        self._looked: Looked | None = None

    def begin(self) -> None:
        """Begin a check if one is due."""
        with self._guard:
            if self._task is None and (self._failed is not None or self._runtime.now() >= self._counts_until):
                self._start()

    def doubt(self) -> None:
        """Let a check be due."""
        self._counts_until = -float("inf")

    async def fits(self, ends_at: float) -> None:
        """Wait for the check that was begun.

        Raises:
            LogMismatchError: the log does not fit.
            UnavailableError: m8 is held to its log, and did not show it in time.
            Error: it cannot be asked, or the file of known logs is malformed.
        """
        task = self._task
        if task is None:
            if self._failed is not None:
                raise again(self._failed)
            return
        try:
            looked = await task.result(ends_at - self._runtime.now())
        except TimeoutError:
            raise (self._late() if self.check.behind is None else again(self.check.behind)) from None
        except Error as error:
            with self._guard:
                if self._task is task:
                    # What is remembered is never raised itself: it would keep the frames of callers, and their values.
                    self._task, self._failed, self.check.behind = None, again(error), None
            raise
        for sentence in self._settled(task, looked):
            self._notify(sentence)

    async def look(self, timeout_s: float = CALL_TIMEOUT_S) -> Looked:
        """Check now, and return what was found. Raises as `fits`."""
        with self._guard:
            task = self._start()
        await self.fits(self._runtime.now() + left(timeout_s))
        return await task.result(left(timeout_s))

    async def tree(self) -> Checkpoint | None:
        """Return the newest checkpoint that is pinned, None where m8 shows no log. Raises as `fits`."""
        from monoskope.protocol.tlog.checkpoint import Checkpoint  # noqa: PLC0415 - few ask for it
        from monoskope.protocol.tlog.note import Note  # noqa: PLC0415 - as above

        if self._looked is None or self._runtime.now() >= self._counts_until:
            await self.look()
        verdict = None if self._looked is None else self._looked.verdict
        return None if verdict is None else Checkpoint.parse(Note.parse(verdict.pin.note).text)

    def _start(self) -> Task[Looked]:
        """Begin a check. It has its own time: other calls than the one that began it wait for it, too."""
        with within(self._runtime, None):
            self._task = self._runtime.start(self.check.run())
        return self._task

    async def close(self) -> None:
        """Cancel a check that is under way."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()

    def _settled(self, task: Task[Looked], looked: Looked) -> list[str]:
        """Note that a check has ended well, and return what the user should know and was not told."""
        with self._guard:
            if self._task is not task:
                return []
            self._task, self._failed, self.check.behind = None, None, None
            self._looked = looked
            self._counts_until = self._runtime.now() + AGAIN_AFTER_S
            new = [sentence for sentence in looked.notices if sentence not in self._told]
            self._told.update(new)
            return new

    def _late(self) -> UnavailableError:
        return UnavailableError(
            f"m8 at {self._server} did not show its log in time, and it is held to it; nothing was sealed or sent.",
            fix="Try again later. If it stays so, ask your administrator.",
        )

"""`monoctl rotate secret --due`: all rotations of a file, a few at once; what is wrong with one stops no other."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from monoskope.client.results import moment
from monoskope.errors import (
    Error,
    NotFoundError,
    NotReachedError,
    NotTriedError,
    RefusedError,
    UnauthenticatedError,
    let_go,
)
from monoskope.monoctl.options import CommandSession
from monoskope.monoctl.output import terminal
from monoskope.monoctl.output.ending import end
from monoskope.monoctl.output.progress import is_terminal
from monoskope.times import wall_clock
from monoskope.value import Value

if TYPE_CHECKING:
    from monoskope.client import Client, Planned, Rotation

_DUE = {"URI": "uri", "OUTCOME": "outcome", "ACCOUNT": "account", "BEGAN": "began_at", "DUE": "due_on", "WHY": "why"}
_AT_ONCE = 8
ROTATED, OVERDUE, LATER, CLOSED = "ROTATED", "OVERDUE", "NOT_DUE", "OUTSIDE_WINDOW"


class DueRow(Value, frozen=True, kw_only=True):
    """What came of one rotation of a file."""

    uri: str
    outcome: str
    """"ROTATED", "OVERDUE" where it was only asked, "NOT_DUE", or "OUTSIDE_WINDOW"."""
    account: str
    """The one that is live now, or that the round sets which is under way or would begin."""
    began_at: dt.datetime | None
    """When the last round began, as its grant proves."""
    due_on: dt.date | None
    """The day on which the next one is due; None for none, or where nothing proves the last one."""
    why: str


class Run:
    """One run over a file.

    Args:
        client: Asks m8 and the stores.
        session: Of the command.
        check: Whether nothing is changed.
    """

    def __init__(self, client: Client, session: CommandSession, *, check: bool) -> None:
        self._client = client
        self._session = session
        self._check = check
        self._stopped = False
        """m8 does not answer any more, or takes no credential: then no other one is tried."""

    async def all(self, rotations: Sequence[Rotation]) -> list[DueRow | Error]:
        """Do what is due, and return what came of each."""
        from monoskope.client.walk.pace import Tally  # noqa: PLC0415 - a help needs none

        runtime = self._client.queries.runtime
        places = runtime.semaphore(_AT_ONCE)
        ended: list[DueRow | Error] = []
        self._session.bar.tell(Tally(len(rotations)))

        async def one(rotation: Rotation) -> DueRow | Error:
            await places.acquire()
            try:
                result = await self._tried(rotation)
            finally:
                places.release()
            ended.append(result)
            failed = sum(isinstance(each, Error) for each in ended)
            self._session.bar.tell(Tally(len(rotations), len(ended) - failed, failed))
            if not (self._check or is_terminal()):
                _say(result, f"{len(ended)} of {len(rotations)}")
            return result

        return await runtime.gather([one(rotation) for rotation in rotations])

    async def _tried(self, rotation: Rotation) -> DueRow | Error:
        try:
            if self._stopped:
                why = "not tried, because m8 did not answer for another one; nothing was sent for it."
                raise NotTriedError(f"{rotation.secret}: {why}", fix="Mend that first, then run it again.")
            return await self._one(rotation)
        except Error as error:
            error.uri = rotation.secret
            self._stopped |= isinstance(error, (NotReachedError, UnauthenticatedError))
            return let_go(error)

    async def _one(self, rotation: Rotation) -> DueRow:
        timeout_s = self._session.timeout
        try:
            planned = await self._client.plan_rotation(rotation, timeout=timeout_s)
        except (RefusedError, NotFoundError) as error:
            if not self._check:
                raise
            return _row(rotation.secret, OVERDUE, why=f"nothing proves when it was rotated. {error.message}")
        row = due_row(rotation, planned, wall_clock(), windows=not self._check)
        if self._check or row.outcome != OVERDUE:
            return row
        done = await self._client.rotate_secret(rotation, timeout=timeout_s)
        due_ms = _due_ms(rotation, done.began_at)
        return _row(done.uri, done.outcome, account=done.account, began=done.began_at, due_ms=due_ms)


def _say(result: DueRow | Error, how_far: str) -> None:
    """Print what a job's log should show while the others run: what was changed, and what was not."""
    if isinstance(result, Error):
        terminal.err(f"{how_far}: {result.uri} {result.code.value}")
    elif result.outcome == ROTATED:
        terminal.err(f"{how_far}: {result.uri} {result.outcome}, {result.account}")


def all_due(rotations: Sequence[Rotation], session: CommandSession, *, check: bool) -> NoReturn:
    """Rotate what is due, or with `check` say what is; ends the command."""

    async def work(client: Client) -> list[DueRow | Error]:
        return await Run(client, session, check=check).all(rotations)

    results = session.run(work, several=True)
    end(
        results,
        session.output,
        _DUE,
        as_expected=lambda row: row.outcome != OVERDUE,
        listed=True,
        changes=any(isinstance(row, DueRow) and row.outcome == ROTATED for row in results),
    )


def due_row(rotation: Rotation, planned: Planned, now_ms: int, *, windows: bool) -> DueRow:
    """Return whether a rotation is due, by the file and what is proven alone.

    What is not proven, is not over, or stops for another reason than time, is overdue. Without `every` nothing else is.
    With `windows` a round does not begin while its window is closed; whoever checks is told that it is overdue.
    """
    began, why = planned.began_at, planned.why
    due_ms = _due_ms(rotation, began)
    broken = planned.step == "STOP" and not planned.waits
    if began is None or not planned.is_over or broken:
        outcome = OVERDUE
    elif not due_ms or now_ms < due_ms:
        outcome, why = LATER, ""
    elif windows and rotation.window is not None and not rotation.window.is_open(now_ms):
        outcome, why = CLOSED, "its window is not open"
    else:
        outcome = OVERDUE
    return _row(planned.uri, outcome, account=planned.account, began=began, due_ms=due_ms, why=why)


def _due_ms(rotation: Rotation, began: dt.datetime | None) -> int:
    """Return when the round after that of `began` is due, milliseconds since 1970; 0 for never."""
    return 0 if began is None or not rotation.every_s else int(began.timestamp() + rotation.every_s) * 1000


def _row(
    uri: str, outcome: str, *, account: str = "", began: dt.datetime | None = None, due_ms: int = 0, why: str = ""
) -> DueRow:
    at = moment(due_ms)
    due_on = None if at is None else at.date()
    return DueRow(uri=uri, outcome=outcome, account=account, began_at=began, due_on=due_on, why=why)

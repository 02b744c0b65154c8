"""One rotation, from whatever stands there to the end of one round: look, decide, act, and again. It has no I/O.

What acts is a `Hands`: `hands` has the one that asks m8. A test gives another one, and lets several run at once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Protocol

from msgspec import structs

from monoskope.client.results import moment
from monoskope.client.rotation.decide import begin, decide
from monoskope.client.rotation.round import (
    ANEW,
    Adopt,
    Done,
    Generate,
    Look,
    Place,
    Round,
    SetAccount,
    Step,
    Stop,
    Switch,
    Sync,
    Wish,
)
from monoskope.errors import ConflictError, Error, NotAuthorizedError, OutcomeUnknownError, docs_page
from monoskope.value import Value

_CONFLICTS = 4
"""How often it looks again because somebody else was faster."""
_UNKNOWN = 2
"""How often it waits for an end that is not known."""
_STEPS = 16
LOOK, MAKE_VALUES, SET_ACCOUNT, PROVE, SWITCH = "LOOK", "MAKE_VALUES", "SET_ACCOUNT", "PROVE", "SWITCH"
WAIT = "WAIT"
Tell = Callable[[str], None]
"""Is told each step as it begins; WAIT after a write whose end is not known."""
_NOBODY_TO_ASK = (
    "A rotation has nobody to ask for approvals: its key needs entries of its own without them"
    f" ({docs_page('rotation.md')})."
)


class Copied(Value, frozen=True):
    """What a copy to an account has proven."""

    version: str
    """The one that is there now."""
    unchanged: bool = False
    """Whether the password was there already."""


class Hands(Protocol):
    """What a rotation does. Each raises `ConflictError` where something else is there than was looked at."""

    async def wait(self, seconds: float, why: str) -> None:
        """Wait so long, and tell the user why."""

    async def rehearse(self, look: Look) -> None:
        """Make the copies of the round that is over again: that changes nothing, and shows whether they are let."""

    async def look(self) -> Look:
        """Return what is at all places, proven."""

    async def is_written(self, look: Look) -> bool:
        """Return whether, by m8's word, a store is writing at one of the places and has not said the end."""

    async def account(self, uri: str) -> Place:
        """Return what is at one account, proven."""

    async def live(self, look: Look) -> str | None:
        """Return the account whose name is at `db`; None if not exactly one fits."""

    async def generate(self, step: Generate) -> Place:
        """Make new values, and return what is there."""

    async def set_account(self, step: SetAccount) -> Copied:
        """Copy the password to the account."""

    async def switch(self, step: Switch) -> Place:
        """Copy everything to `db`, and return what is there."""


class RotationStoppedError(ConflictError):
    """The state is none that a rotation may go on from, or it is too early; nothing was changed by this step."""

    waits: bool = False
    """Whether time alone mends it."""


class Rotated(Value, frozen=True, kw_only=True):
    """A round that is over, as receipts prove."""

    uri: str
    outcome: str = "ROTATED"
    account: str
    """The one that is live now."""
    upstream_version: str
    """At `uri`."""
    hash: str
    began_at: dt.datetime | None
    """When the round began, by the clock of whoever began it."""
    joined: bool
    """Whether this run changed nothing itself: another one was faster."""


def stopped(stop: Stop, uri: str) -> RotationStoppedError:
    """Return the error that says why nothing is done."""
    error = RotationStoppedError(f"{uri}: {stop.why}", fix=stop.fix)
    error.waits = stop.waits
    return error


async def next_step(wish: Wish, hands: Hands, look: Look) -> tuple[Look, Step]:
    """Return what would be done next, and the look that it follows from.

    Where the state is adopted, the live account is looked for.
    """
    look = await _settled(wish, hands, look)
    step = decide(look, wish)
    if not isinstance(step, Adopt):
        return look, step
    return look, _anew(step.why, look, wish, await hands.live(look))


def _anew(why: str, look: Look, wish: Wish, live: str | None) -> Step:
    """Return the beginning of a new round from what was found live."""
    if live is not None:
        return begin(look, wish, live, adopting=True)
    names = ", ".join(wish.rotation.accounts)
    return Stop(
        f"{why} Of {names} not exactly one has its name at {look.db.uri}, so which is live is not known.",
        fix="Put the credential of one of them there, then run `monoctl rotate secret --adopt`.",
    )


async def _not_live(step: Step, look: Look, wish: Wish, hands: Hands) -> Step:
    """Return `step`, unless it goes on with a round of others, and not surely for an account that is not live.

    Who may generate at `next` alone names an account in the labels, and may name the live one.
    """
    goes_on = isinstance(step, SetAccount) or (isinstance(step, Generate) and not (step.adopting or look.is_over))
    if not goes_on or look.round is None or look.next.version == wish.began or len(wish.rotation.accounts) == 1:
        return step
    live = await hands.live(look)
    if live is not None and (live != look.round.account or not look.db.version):
        return step
    why = f"what is at {look.next.uri} was made for {look.round.account}, which may be live: no rotation begins so."
    return _anew(why, look, wish, live) if wish.adopt else Stop(why, f"Find out why. {ANEW}")


async def _settled(wish: Wish, hands: Hands, look: Look) -> Look:
    """Return a look that a rotation may go on from, or one that was found twice while nobody wrote.

    What another run is writing just now looks as if others had changed it, until the receipt is recorded.
    """
    for _ in range(look.late_s):
        step = decide(look, wish)
        if not isinstance(step, Adopt | Stop) or (isinstance(step, Stop) and step.waits):
            return look
        writes = await hands.is_written(look)
        if writes:
            await hands.wait(1.0, f"{look.db.uri}: a write is under way.")
        again = await hands.look()
        if again == look and not writes:
            return look
        look = again
    return look


def _tell_nobody(_step: str) -> None:
    """Let steps pass without a word."""


async def carry_out(wish: Wish, hands: Hands, tell: Tell = _tell_nobody) -> Rotated:
    """Carry one round to its end: the one that is under way, or else a new one.

    After a write whose end is not known it waits until no store can write it any more, and looks again.

    Raises:
        RotationStoppedError: the state is none to go on from, or it is too early.
        Error: what a step raises. Run it again: it looks first, and goes on.
    """
    tell(LOOK)
    look = await hands.look()
    if look.is_over:
        wish = structs.replace(wish, over=look.next.version)
    conflicts, unknown, acted = 0, 0, False
    for _ in range(_STEPS):
        try:
            ended = await _stepped(look, wish, hands, tell, acted=acted)
            if isinstance(ended, Rotated):
                return ended
            (look, wish), acted = ended, True
        except ConflictError as error:
            conflicts += 1
            if isinstance(error, RotationStoppedError) or conflicts > _CONFLICTS:
                raise
            tell(LOOK)
            look = await hands.look()
        except OutcomeUnknownError as error:
            unknown += 1
            if unknown > _UNKNOWN:
                raise
            tell(WAIT)
            await hands.wait(look.late_s, error.message)
            wish = structs.replace(wish, now_ms=wish.now_ms + look.late_s * 1000)
            tell(LOOK)
            look = await hands.look()
    raise Error(f"{look.db.uri}: the rotation comes to no end.", fix="Report this as a defect.")


async def _stepped(look: Look, wish: Wish, hands: Hands, tell: Tell, *, acted: bool) -> Rotated | tuple[Look, Wish]:
    """Do what is next, and return what is known then, or the end."""
    look, step = await next_step(wish, hands, look)
    step = await _not_live(step, look, wish, hands)
    try:
        match step:
            case Stop():
                raise stopped(step, look.db.uri)
            case Done():
                return _rotated(step.round, look.db, joined=not acted)
            case Switch():
                assert look.round is not None
                tell(SWITCH)
                return _rotated(look.round, await hands.switch(step), joined=False)
        return await _act(step, look, wish, hands, tell)
    except NotAuthorizedError as error:
        error.fix = f"{error.fix} {_NOBODY_TO_ASK}".lstrip()
        raise


async def _act(step: Step, look: Look, wish: Wish, hands: Hands, tell: Tell) -> tuple[Look, Wish]:
    """Do one step that is not the last, and return what is known then."""
    if isinstance(step, Generate):
        tell(MAKE_VALUES)
        if look.asks and look.is_over:
            await hands.rehearse(look)
        made = await hands.generate(step)
        new = structs.replace(look, next=made, round=step.round, is_ours=True)
        return new, structs.replace(wish, began=made.version, adopted=made.version if step.adopting else wish.adopted)
    assert isinstance(step, SetAccount)
    tell(SET_ACCOUNT)
    copied = await hands.set_account(step)
    tell(PROVE)
    there = await hands.account(step.account)
    if there.sync is Sync.UNREADABLE:
        # Nothing verifies it but the same copy, which finds the password there already.
        if not (copied.unchanged or (await hands.set_account(step)).unchanged):
            raise ConflictError(f"{step.account}: the password that was just copied is not there.", fix="Run it again.")
        there = structs.replace(there, version=copied.version)
    accounts = tuple(there if one.uri == step.account else one for one in look.accounts)
    return structs.replace(look, accounts=accounts), structs.replace(wish, copied=(step.source, copied.version))


def _rotated(done: Round, db: Place, *, joined: bool) -> Rotated:
    return Rotated(
        uri=db.uri,
        account=done.account,
        upstream_version=db.version,
        hash=db.hash,
        began_at=moment(done.began_ms),
        joined=joined,
    )

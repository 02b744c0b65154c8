"""Rotations: new passwords that nobody sees, for accounts that take turns (docs/rotation.md).

- `spec`: what is rotated and when, checked once;
- `round`: what a round's labels say, and what was found; `decide`: what follows from it: pure;
- `walk`: look, decide, act, and again; `hands`: how it asks m8 and the stores.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from monoskope.client.results import moment
from monoskope.client.rotation.hands import SessionHands
from monoskope.client.rotation.round import Done, Generate, Look, SetAccount, Step, Stop, Switch, Wish
from monoskope.client.rotation.spec import Rotation
from monoskope.client.rotation.walk import MAKE_VALUES, SET_ACCOUNT, SWITCH, Rotated, Tell, carry_out, next_step
from monoskope.times import wall_clock
from monoskope.value import Value

if TYPE_CHECKING:
    from monoskope.client.session import Session


class Planned(Value, frozen=True, kw_only=True):
    """What a rotation would do first."""

    uri: str
    step: str
    """"MAKE_VALUES", "SET_ACCOUNT", "SWITCH", or "STOP"."""
    account: str
    """The account of the round that is under way or would begin; "" where it stops."""
    why: str
    """Why it stops; "" where it goes on."""
    fix: str
    waits: bool
    """Whether time alone mends it."""
    began_at: dt.datetime | None
    """When the round of what is there began, as its grant proves; None where nothing does."""
    is_over: bool
    """Whether that round is over."""


async def rotate(
    session: Session, rotation: Rotation, *, adopt: bool, force: bool, tell: Tell | None, timeout_s: float
) -> Rotated:
    """Carry one round to its end. Arguments and errors as `Client.rotate_secret`."""
    wish, hands = Wish(rotation, wall_clock(), force=force, adopt=adopt), SessionHands(session, rotation, timeout_s)
    return await (carry_out(wish, hands) if tell is None else carry_out(wish, hands, tell))


async def plan(session: Session, rotation: Rotation, *, adopt: bool, force: bool, timeout_s: float) -> Planned:
    """Return what `rotate` would do first; nothing is changed, and without `adopt` nothing is signed."""
    hands = SessionHands(session, rotation, timeout_s)
    look = await hands.look()
    over = look.next.version if look.is_over else None
    wish = Wish(rotation, wall_clock(), force=force, adopt=adopt, over=over)
    return _planned(*await next_step(wish, hands, look))


def _planned(look: Look, step: Step) -> Planned:
    match step:
        case Generate():
            name, account = MAKE_VALUES, step.round.account
        case SetAccount():
            name, account = SET_ACCOUNT, step.account
        case Switch() | Done():
            name, account = SWITCH, "" if look.round is None else look.round.account
        case _:
            name, account = "STOP", ""
    stop = step if isinstance(step, Stop) else Stop("", "")
    return Planned(
        uri=look.db.uri,
        step=name,
        account=account,
        why=stop.why,
        fix=stop.fix,
        waits=stop.waits,
        began_at=None if look.round is None else moment(look.round.began_ms),
        is_over=look.is_over,
    )

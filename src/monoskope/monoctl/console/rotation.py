"""Rotations on the page: what the last rounds were asked for, what would be done first, and one round to its end."""

from __future__ import annotations

import datetime as dt
from contextlib import aclosing

from msgspec import field

from monoskope.client import Rotation
from monoskope.client.rotation.hands import generated
from monoskope.client.rotation.round import Round
from monoskope.client.rotation.spec import USERNAME
from monoskope.errors import NotFoundError, UsageError
from monoskope.monoctl.console.operations import Context, OfUri, RecipeTexts, Texts, Timed, single
from monoskope.monoctl.console.requests import Text
from monoskope.monoctl.output.formats import Document, fields_of
from monoskope.protocol.notes import DUE, NEXT, Labels, is_day
from monoskope.times import moment

_LOOKED_BACK = 6
"""How many versions are asked about for the accounts that take turns: one that was adopted may come several times."""


class RotationAsked(Timed, frozen=True, kw_only=True):
    """What `Rotation.of` takes, and how to begin."""

    uri: Text
    accounts: Texts
    recipes: RecipeTexts = field(default_factory=dict)
    grace: Text = ""
    every: Text = ""
    adopt: bool = False
    force: bool = False


async def rounds(context: Context, asked: OfUri) -> Document:
    """Answer the accounts, recipes and `every` of a secret's last rounds, as their grants prove them; "" and none else.

    Raises:
        ProofError: m8 shows a proof that is none.
    """
    new = await context.client.full_uri(asked.uri) + NEXT
    accounts: list[str] = []
    found: Document = {"accounts": accounts, "recipes": {}, "every": ""}
    looked = 0
    try:
        async with aclosing(context.client.queries.secret_versions(new, page_size=_LOOKED_BACK)) as versions:
            async for view in versions:
                looked += 1
                made = await generated(context.client.queries, context.client.proofs, new, view.request_id)
                round_ = None if made is None else _round(made[0].labels)
                if made is not None and round_ is not None and round_.account not in accounts:
                    accounts.append(round_.account)
                    if len(accounts) == 1:
                        found["recipes"] = {one.key: one.written for one in made[0].recipes if one.key != USERNAME}
                        found["every"] = _every(round_, dict(made[0].labels).get(DUE, ""))
                if looked == _LOOKED_BACK or len(accounts) > 1:
                    break
    except NotFoundError:
        pass  # it was never rotated, or the caller sees nothing there
    return found


def _round(labels: Labels) -> Round | None:
    try:
        return Round.parse(dict(labels))
    except UsageError:
        return None


def _every(last: Round, due: str) -> str:
    """Return after how many days the next round was to be due; "" if the last one did not say it."""
    if not is_day(due):
        return ""
    days = (dt.date.fromisoformat(due) - moment(last.began_ms).date()).days
    return f"{max(days, 1)}d"


async def plan(context: Context, asked: RotationAsked) -> Document:
    """Answer what `rotate` would do first, or why it stops. Stores are asked, nothing is changed."""
    planned = await context.client.plan_rotation(
        _rotation(asked), adopt=asked.adopt, force=asked.force, timeout=asked.timeout
    )
    return fields_of(planned)


async def rotate(context: Context, asked: RotationAsked) -> Document:
    """Carry one round to its end; each step is told to the pages as it begins."""
    rotation = _rotation(asked)

    def tell(step: str) -> None:
        context.tell({"kind": "step", "uri": rotation.secret, "step": step})

    work = context.client.rotate_secret(
        rotation, adopt=asked.adopt, force=asked.force, tell=tell, timeout=asked.timeout
    )
    return await single(context, rotation.secret, work, fields_of)


def _rotation(asked: RotationAsked) -> Rotation:
    return Rotation.of(asked.uri, asked.accounts, asked.recipes, grace=asked.grace, every=asked.every)

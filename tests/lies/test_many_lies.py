"""Several lies at once, and one after the other: by chance, from a seed.

make lies SEED=7 SECONDS=600        goes on with seed 7 for ten minutes; the same seed makes the same choices
"""

from __future__ import annotations

import os
import random
import time

import pytest

from monoskope.errors import Code
from tests.lies.catalogue import PROXIED
from tests.lies.lie import EVERY, Lie, Step, Victim
from tests.lies.rig import Rig
from tests.lies.scene import scene
from tests.lies.telling import asked, check_promises, settled
from tests.lies.walks import check_truth

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.lie]

SEED = os.environ.get("SEED") or "1"
SECONDS = float(os.environ.get("SECONDS") or 0)
ROUNDS = 40
"""How many rounds there are, if no SECONDS are given."""
MOST = 3
"""Lies at once."""

FIT = tuple(
    lie
    for lie in PROXIED
    if lie.against is not Victim.COMMAND and lie.step is not Step.LOG and lie.settles and not lie.silent
)


async def a_round(rig: Rig, number: int) -> None:
    """Tell some lies while alice asks for one thing, and assert what holds whatever they are."""
    chance = random.Random(f"{SEED}/{number}")
    purpose = chance.choice(EVERY)
    known = [lie for lie in FIT if purpose in lie.purposes]
    lies: list[Lie] = chance.sample(known, chance.randint(1, MOST))
    try:
        await _told(rig, purpose, lies)
    except BaseException as error:
        error.add_note(f"SEED={SEED}, round {number}: {purpose}: " + "; ".join(lie.id for lie in lies))
        raise


async def _told(rig: Rig, purpose: str, lies: list[Lie]) -> None:
    async with scene(rig, purpose, patience_s=5.0) as found:
        before = found.one.engine.there(found.one.path)
        for lie in lies:
            lie.tell(found)
        code, result, said = await asked(found, rig.servers[0], purpose)
        for act in found.afterwards:
            await act()
        rig.wire.honest()
        await settled(found)
        check_promises(found, said)
        if code is None:
            check_truth(purpose, found.one, result)
        elif code is not Code.OUTCOME_UNKNOWN:
            assert found.one.engine.there(found.one.path) == before, f"done, and not told: {said}"


async def test_many_lies_at_once_by_chance(rig: Rig) -> None:
    print(f"SEED={SEED}")  # noqa: T201 - with it, the same choices are made again
    over_at, number = time.monotonic() + SECONDS, 0
    while number < ROUNDS or time.monotonic() < over_at:
        await a_round(rig, number)
        number += 1
    print(f"{number} rounds")  # noqa: T201 - as above

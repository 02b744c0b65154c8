"""A database that fails over under load: nothing that was acknowledged is lost, and no user is told a falsehood.

`make ha SEED=7 FAULTS=node,sigstop`
"""

from __future__ import annotations

import os
import random

import pytest

from monoskope.testing.engines.patroni import Patroni
from tests.faults.table import FAULTS, PATRONI, at
from tests.ha.world import World

pytestmark = pytest.mark.ha


def chosen(names: str) -> list[str]:
    """Return the faults that a list with commas names, all for "". An unknown name ends the run with a sentence."""
    known = at(PATRONI)
    found = [name.strip() for name in names.split(",") if name.strip()] or known
    unknown = [name for name in found if name not in known]
    if unknown:
        sentence = f"FAULTS: there is no fault {', '.join(unknown)}. Name some of: {', '.join(known)}."
        pytest.fail(sentence, pytrace=False)
    return found


CHOSEN = chosen(os.environ.get("FAULTS", ""))


@pytest.mark.parametrize("fault", CHOSEN)
async def test_what_was_acknowledged_is_there_once_and_no_user_notices(
    world: World, patroni: Patroni, fault: str, seed: int
) -> None:
    print(f"SEED={seed}")
    await world.survives(fault, FAULTS[fault].breaks(patroni, random.Random(f"{seed} {fault}")))

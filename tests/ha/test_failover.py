"""A database that fails over under load: nothing that was acknowledged is lost, and no user is told a falsehood.

`make ha SEED=7 FAULTS=node,sigstop`
"""

from __future__ import annotations

import os
import random

import pytest

from monoskope.testing.engines.patroni import Patroni
from tests.ha.faults import FAULTS, chosen
from tests.ha.world import World

pytestmark = pytest.mark.ha

CHOSEN = chosen(os.environ.get("FAULTS", ""))


@pytest.mark.parametrize("fault", CHOSEN)
async def test_what_was_acknowledged_is_there_once_and_no_user_notices(
    world: World, patroni: Patroni, fault: str, seed: int
) -> None:
    print(f"SEED={seed}")
    await world.survives(fault, lambda: FAULTS[fault](patroni, random.Random(f"{seed} {fault}")))

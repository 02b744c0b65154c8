"""Each lie of the catalogue: no value is shown, nothing false is believed, nothing unsigned is done, and it is said."""

from __future__ import annotations

import pytest

from tests.lies.catalogue import PROXIED
from tests.lies.lie import EVERY, Lie, Step
from tests.lies.rig import Rig
from tests.lies.telling import tell, tell_as_planned

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.lie]


@pytest.mark.parametrize("lie", [lie for lie in PROXIED if lie.step is not Step.LOG], ids=lambda lie: lie.id)
async def test_a_lie(rig: Rig, lie: Lie) -> None:
    await tell_as_planned(rig, lie)


HONEST = Lie(Step.STORE, "nothing false", lambda _: None)


@pytest.mark.parametrize("purpose", EVERY)
async def test_without_a_lie_it_is_done(rig: Rig, purpose: str) -> None:
    await tell(rig, HONEST, purpose)


async def test_without_a_lie_what_is_shown_is_proven(rig: Rig) -> None:
    for question in ("get secret", "list secrets", "list versions", "get upload"):
        assert "proven=True" in await tell(rig, HONEST, question)

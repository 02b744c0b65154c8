"""Each lie about a change and its approvals: nothing is written that not as many others approved as the store asks."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.lies.approved.row import PURPOSES, ApprovalLie, rehearse, tell
from tests.lies.approved.stage import Stage, staged
from tests.lies.catalogue import APPROVED, plan_approved
from tests.lies.lie import Step

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.lie]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A stage on which a change for each purpose was executed once, honestly."""
    async with staged(tmp_path_factory.mktemp("stage")) as found:
        await rehearse(found)
        yield found


@pytest.mark.parametrize("lie", APPROVED, ids=lambda lie: lie.id)
async def test_a_lie_about_a_change(stage: Stage, lie: ApprovalLie) -> None:
    for purpose in plan_approved(lie, every=os.environ.get("LIES") == "all"):
        try:
            await tell(stage, lie, purpose)
        except AssertionError as error:
            error.add_note(purpose)
            raise


HONEST = ApprovalLie(Step.CHANGE, "nothing false", lambda _: None, writes=1)


@pytest.mark.parametrize("purpose", PURPOSES)
async def test_without_a_lie_what_is_approved_is_done(stage: Stage, purpose: str) -> None:
    await tell(stage, HONEST, purpose)

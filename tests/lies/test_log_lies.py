"""Lies about the witnessed log, to alice, who pinned an earlier note of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.lies.catalogue import PROXIED
from tests.lies.lie import Lie, Step
from tests.lies.rig import Rig, rigged
from tests.lies.scene import rehearse
from tests.lies.telling import tell, tell_as_planned

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.lie]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """A rig whose m8 keeps a log that can be checked."""
    async with rigged(tmp_path_factory.mktemp("rig"), witnessed=True) as found:
        await rehearse(found)
        yield found


@pytest.mark.parametrize("lie", [lie for lie in PROXIED if lie.step is Step.LOG], ids=lambda lie: lie.id)
async def test_a_lie_about_the_log(rig: Rig, lie: Lie) -> None:
    await tell_as_planned(rig, lie)


HONEST = Lie(Step.LOG, "nothing false", lambda _: None)


async def test_without_a_lie_the_log_fits(rig: Rig) -> None:
    for purpose in ("put", "copy", "verify"):
        await tell(rig, HONEST, purpose)
    assert "UploadProof" in await tell(rig, HONEST, "get upload proof")

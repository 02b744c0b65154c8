"""Each lie of the catalogue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.lies.catalogue import CATALOGUE
from tests.lies.lie import Lie
from tests.lies.rig import Rig, rigged
from tests.lies.scene import rehearse
from tests.lies.telling import tell

pytestmark = [pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with rigged(tmp_path_factory.mktemp("rig")) as found:
        await rehearse(found)
        yield found


@pytest.mark.parametrize("lie", CATALOGUE, ids=lambda lie: lie.id)
async def test_a_lie(rig: Rig, lie: Lie) -> None:
    for purpose in lie.purposes:
        for door in ("grpc",):
            try:
                async with asyncio.timeout(lie.patience_s + 10):
                    await tell(rig, lie, purpose, door=door)
            except Exception as e:
                raise AssertionError(purpose) from e

"""One rig for each file of tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.lies.rig import Rig, rigged
from tests.lies.scene import rehearse


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """A rig in which each purpose was walked once, honestly."""
    async with rigged(tmp_path_factory.mktemp("rig")) as found:
        await rehearse(found)
        yield found

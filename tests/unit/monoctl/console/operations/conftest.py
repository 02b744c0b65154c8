"""A console at an honest m8, as a user who has pinned its stores."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.monoctl.console.operations.knowing_m8 import AtConsole, at_console


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[AtConsole]:
    async with at_console(tmp_path) as context:
        yield context

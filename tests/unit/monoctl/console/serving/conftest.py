"""A console under way."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.unit.monoctl.console.serving.served import Served, console


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with console() as served:
        yield served

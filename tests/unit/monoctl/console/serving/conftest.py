"""A console under way, and a page of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.console_calls import Page
from tests.unit.monoctl.console.serving.served import Served, console


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with console() as served:
        yield served


@pytest.fixture
async def page(served: Served) -> Page:
    """It has a session."""
    return await served.begun()

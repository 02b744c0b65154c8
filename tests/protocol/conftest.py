"""An m8 that is honest until a test bends it, and a user who has pinned its stores."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monoskope.client.known.stores import KnownStores
from monoskope.testing.scripted.client import pinned
from tests.protocol.purposes import ShowingM8


@pytest.fixture
async def m8(tmp_path: Path) -> AsyncIterator[ShowingM8]:
    async with ShowingM8().serving(tmp_path) as scripted:
        yield scripted


@pytest.fixture
def known(m8: ShowingM8, tmp_path: Path) -> KnownStores:
    return pinned(m8, tmp_path)

"""An m8 whose store asks for approvals, and the keys of people."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monoskope.testing.scripted.m8 import ScriptedM8
from tests.support.ssh import keygen


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("people")
    return {name: keygen(folder / name) for name in ("anna", "ben", "eva")}


@pytest.fixture
async def m8(tmp_path: Path) -> AsyncIterator[ScriptedM8]:
    scripted = ScriptedM8()
    scripted.approvals = 1
    async with scripted.serving(tmp_path):
        yield scripted

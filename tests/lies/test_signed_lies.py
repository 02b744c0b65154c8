"""Each lie that a store's own identity signs, told by a scripted m8."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.lies.catalogue import SIGNED, plan
from tests.lies.signed.row import SignedLie, tell

pytestmark = pytest.mark.lie


@pytest.mark.parametrize("lie", SIGNED, ids=lambda lie: lie.id)
async def test_a_signed_lie(lie: SignedLie, tmp_path: Path) -> None:
    await tell(lie, plan(lie, every=os.environ.get("LIES") == "all"), tmp_path)

"""The driver `age` against the suite, readable and write-only."""

from __future__ import annotations

from pathlib import Path

import pytest

from monoskope.testing.drivers import StoreDriverContract
from monoskope.testing.drivers.harness import Harness
from tests.conformance.age_harness import AgeHarness


class TestReadable(StoreDriverContract):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> Harness:
        return AgeHarness(tmp_path, readable=True)


class TestWriteOnly(StoreDriverContract):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> Harness:
        return AgeHarness(tmp_path, readable=False)

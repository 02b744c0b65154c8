"""The driver `barbican` against the suite on a real Barbican, readable and write-only."""

from __future__ import annotations

from pathlib import Path

import pytest

from monoskope.stores.barbican_config import BarbicanConfig
from monoskope.testing.barbican import Barbican
from monoskope.testing.driver_harness import Harness
from monoskope.testing.driver_refusals import RefusalPromises
from monoskope.testing.drivers import StoreDriverContract
from tests.conformance.barbican_harness import BarbicanHarness


class TestReadable(StoreDriverContract):
    @pytest.fixture
    def harness(self, barbican: Barbican, tmp_path: Path) -> Harness:
        return BarbicanHarness(barbican, tmp_path, readable=True)


class TestWriteOnly(StoreDriverContract):
    @pytest.fixture
    def harness(self, barbican: Barbican, tmp_path: Path) -> Harness:
        return BarbicanHarness(barbican, tmp_path, readable=False)


class RawHarness(BarbicanHarness):
    def config(self, **changes: object) -> BarbicanConfig:
        return super().config(layout="raw", raw_key="k", **changes)


class TestRawLayout(RefusalPromises):
    @pytest.fixture
    def harness(self, barbican: Barbican, tmp_path: Path) -> Harness:
        return RawHarness(barbican, tmp_path, readable=True)

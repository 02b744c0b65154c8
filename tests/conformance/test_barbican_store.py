"""The driver `barbican` against the suite on a real Barbican, readable and write-only."""

from __future__ import annotations

from pathlib import Path

import pytest

from monoskope.stores.barbican.config import BarbicanConfig
from monoskope.testing.drivers import StoreDriverContract
from monoskope.testing.drivers.harness import Harness
from monoskope.testing.drivers.refusals import RefusalPromises
from monoskope.testing.engines.barbican import Barbican
from tests.conformance.barbican_harness import BarbicanHarness


class TestReadable(StoreDriverContract):
    @pytest.fixture
    def harness(self, barbican: Barbican, tmp_path: Path) -> Harness:
        return BarbicanHarness(barbican, tmp_path, readable=True)


@pytest.mark.soak
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

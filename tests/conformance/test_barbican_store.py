"""The driver `barbican` against the suite on a real Barbican, readable and write-only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from monoskope.stores.barbican.config import BarbicanConfig
from monoskope.testing.drivers import StoreDriverContract
from monoskope.testing.drivers.harness import Harness
from monoskope.testing.drivers.refusals import RefusalPromises
from monoskope.testing.engines.barbican import Barbican
from tests.conformance.barbican_harness import BarbicanHarness
from tests.faults.tcp_proxy import Link, proxy


@pytest_asyncio.fixture
async def gate(barbican: Barbican) -> AsyncIterator[Link]:
    """The engine as it is reached: it is away at once, and back at once."""
    async with proxy(barbican.address) as gate:
        yield gate


class TestReadable(StoreDriverContract):
    @pytest.fixture
    def harness(self, barbican: Barbican, gate: Link, tmp_path: Path) -> Harness:
        return BarbicanHarness(barbican, tmp_path, gate=gate, readable=True)


@pytest.mark.soak
class TestWriteOnly(StoreDriverContract):
    @pytest.fixture
    def harness(self, barbican: Barbican, gate: Link, tmp_path: Path) -> Harness:
        return BarbicanHarness(barbican, tmp_path, gate=gate, readable=False)


class RawHarness(BarbicanHarness):
    def config(self, **changes: object) -> BarbicanConfig:
        return super().config(layout="raw", raw_key="k", **changes)


class TestRawLayout(RefusalPromises):
    @pytest.fixture
    def harness(self, barbican: Barbican, gate: Link, tmp_path: Path) -> Harness:
        return RawHarness(barbican, tmp_path, gate=gate, readable=True)

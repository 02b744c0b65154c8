"""The driver `vault` against the suite on a real OpenBao, under a policy that may read and under one that may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from monoskope.testing.driver_harness import Harness
from monoskope.testing.drivers import StoreDriverContract
from monoskope.testing.openbao import OpenBao
from tests.conformance.vault_harness import VaultHarness


class TestReadable(StoreDriverContract):
    @pytest.fixture
    def harness(self, openbao: OpenBao, tmp_path: Path) -> Harness:
        return VaultHarness(openbao, tmp_path, readable=True)


class TestWriteOnly(StoreDriverContract):
    @pytest.fixture
    def harness(self, openbao: OpenBao, tmp_path: Path) -> Harness:
        return VaultHarness(openbao, tmp_path, readable=False)

"""The driver `pass` against the suite with real GnuPG: readable, write-only, and in a git repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from monoskope.stores.password_store.config import PassConfig
from monoskope.testing.drivers import StoreDriverContract
from monoskope.testing.drivers.harness import Harness
from monoskope.testing.drivers.refusals import RefusalPromises
from monoskope.testing.engines.gnupg import Keys
from tests.conformance.pass_harness import PassHarness


class TestReadable(StoreDriverContract):
    @pytest.fixture
    def harness(self, gnupg: Keys, tmp_path: Path) -> Harness:
        return PassHarness(gnupg, tmp_path, readable=True)


class TestWriteOnly(StoreDriverContract):
    @pytest.fixture
    def harness(self, gnupg: Keys, tmp_path: Path) -> Harness:
        return PassHarness(gnupg, tmp_path, readable=False)


class TestGit(StoreDriverContract):
    @pytest.fixture
    def harness(self, gnupg: Keys, tmp_path: Path) -> Harness:
        return PassHarness(gnupg, tmp_path, readable=True, git=True)


class RawHarness(PassHarness):
    def config(self, **changes: object) -> PassConfig:
        return super().config(layout="raw", raw_key="k", **changes)


class TestRawLayout(RefusalPromises):
    @pytest.fixture
    def harness(self, gnupg: Keys, tmp_path: Path) -> Harness:
        return RawHarness(gnupg, tmp_path, readable=True)

"""The drivers `vault` and `vault-kv1` against the suite on a real OpenBao, each under exactly its least policy."""

from __future__ import annotations

from pathlib import Path

import pytest

from monoskope.testing.drivers import StoreDriverContract
from monoskope.testing.drivers.deletions import DeletionPromises, ListingPromises
from monoskope.testing.drivers.harness import Harness
from monoskope.testing.drivers.patches import PatchPromises
from monoskope.testing.drivers.refusals import RefusalPromises
from monoskope.testing.drivers.restorations import RestorationPromises
from monoskope.testing.drivers.versions import VersionPromises
from monoskope.testing.engines.openbao import OpenBao
from tests.conformance.vault_harness import Kv1Harness, NamespaceHarness, VaultHarness


@pytest.fixture(scope="class")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a class: its tests share a role with its policy, which takes as long as a test to make."""
    return tmp_path_factory.mktemp("store")


class TestReadable(StoreDriverContract):
    @pytest.fixture(scope="class")
    @classmethod
    def harness(cls, openbao: OpenBao, folder: Path) -> Harness:
        return VaultHarness(openbao, folder, readable=True)


class TestWriteOnly(VersionPromises, PatchPromises, RestorationPromises):
    """What differs where nothing can be read; `make soak` runs the whole suite."""

    @pytest.fixture(scope="class")
    @classmethod
    def harness(cls, openbao: OpenBao, folder: Path) -> Harness:
        return VaultHarness(openbao, folder, readable=False)


@pytest.mark.soak
class TestAllOfWriteOnly(TestWriteOnly, StoreDriverContract):
    """The whole suite."""


class TestNamespace(DeletionPromises, PatchPromises, ListingPromises):
    """Every kind of call goes to the namespace; `make soak` runs the whole suite in one."""

    @pytest.fixture(scope="class")
    @classmethod
    def harness(cls, openbao: OpenBao, folder: Path) -> Harness:
        return NamespaceHarness(openbao, folder, readable=True)


@pytest.mark.soak
class TestAllInNamespace(TestNamespace, StoreDriverContract):
    """The whole suite."""


class TestKv1Readable(StoreDriverContract):
    @pytest.fixture(scope="class")
    @classmethod
    def harness(cls, openbao: OpenBao, folder: Path) -> Harness:
        return Kv1Harness(openbao, folder, readable=True)


@pytest.mark.soak  # `test_vault_kv1.py` shows all that a write-only store of this kind does differently
class TestKv1WriteOnly(StoreDriverContract):
    @pytest.fixture(scope="class")
    @classmethod
    def harness(cls, openbao: OpenBao, folder: Path) -> Harness:
        return Kv1Harness(openbao, folder, readable=False)


class TestWithoutBase64(RefusalPromises):
    @pytest.fixture(scope="class")
    @classmethod
    def harness(cls, openbao: OpenBao, folder: Path) -> Harness:
        made = VaultHarness(openbao, folder, readable=True, binary=False)
        made.goes_away = False  # `TestReadable` shows what happens then
        return made

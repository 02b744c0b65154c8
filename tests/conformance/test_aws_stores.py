"""The drivers `aws-secretsmanager` and `aws-ssm` against the suite, on moto: an emulator, not AWS."""

from __future__ import annotations

from pathlib import Path

import pytest

from monoskope.testing.drivers import StoreDriverContract
from monoskope.testing.drivers.harness import Harness
from monoskope.testing.drivers.patches import PatchPromises
from monoskope.testing.drivers.refusals import RefusalPromises
from monoskope.testing.drivers.versions import VersionPromises
from monoskope.testing.engines.moto import Moto
from tests.conformance.aws_harness import AwsHarness, ParameterStoreHarness, SecretsManagerHarness

pytestmark = pytest.mark.usefixtures("aws_credentials")


class TestSecretsManager(StoreDriverContract):
    @pytest.fixture
    def harness(self, moto: Moto, tmp_path: Path) -> Harness:
        return SecretsManagerHarness(moto, tmp_path, readable=True, binary="base64")


class TestSecretsManagerWriteOnly(VersionPromises, PatchPromises):
    """What differs where nothing can be read; `make soak` runs the whole suite."""

    @pytest.fixture
    def harness(self, moto: Moto, tmp_path: Path) -> Harness:
        return SecretsManagerHarness(moto, tmp_path, readable=False, binary="base64")


@pytest.mark.soak
class TestAllOfSecretsManagerWriteOnly(TestSecretsManagerWriteOnly, StoreDriverContract):
    """The whole suite."""


class TestParameterStore(StoreDriverContract):
    @pytest.fixture
    def harness(self, moto: Moto, tmp_path: Path) -> Harness:
        return ParameterStoreHarness(moto, tmp_path, readable=True, binary="base64")


@pytest.mark.soak
class TestParameterStoreWriteOnlyAndAdvanced(StoreDriverContract):
    @pytest.fixture
    def harness(self, moto: Moto, tmp_path: Path) -> Harness:
        return ParameterStoreHarness(moto, tmp_path, readable=False, binary="base64", tier="advanced")


def for_its_layout(harness: AwsHarness) -> Harness:
    """With the cases that a layout decides: what tags and an engine that is away do has the classes above."""
    harness.more_options, harness.goes_away = (), False
    return harness


@pytest.mark.parametrize("layout", [{"layout": "raw", "raw_key": "k"}, {"layout": "json"}], ids=["raw", "text"])
class TestSecretsManagerLayouts(RefusalPromises):
    @pytest.fixture
    def harness(self, moto: Moto, tmp_path: Path, layout: dict[str, str]) -> Harness:
        return for_its_layout(SecretsManagerHarness(moto, tmp_path, readable=True, **layout))


@pytest.mark.parametrize("layout", [{"layout": "raw", "raw_key": "k"}, {"layout": "json"}], ids=["raw", "text"])
class TestParameterStoreLayouts(RefusalPromises):
    @pytest.fixture
    def harness(self, moto: Moto, tmp_path: Path, layout: dict[str, str]) -> Harness:
        return for_its_layout(ParameterStoreHarness(moto, tmp_path, readable=True, **layout))

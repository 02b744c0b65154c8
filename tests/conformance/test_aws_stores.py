"""The drivers `aws-secretsmanager` and `aws-ssm` against the suite, on moto: an emulator, not AWS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiobotocore.session import AioSession, get_session

from monoskope.stores.aws import client
from monoskope.testing.drivers import StoreDriverContract
from monoskope.testing.drivers.harness import Harness
from monoskope.testing.drivers.patches import PatchPromises
from monoskope.testing.drivers.refusals import RefusalPromises
from monoskope.testing.drivers.versions import VersionPromises
from monoskope.testing.engines.moto import Moto
from tests.conformance.aws_harness import ParameterStoreHarness, SecretsManagerHarness
from tests.faults.tcp_proxy import Link, proxy

pytestmark = pytest.mark.usefixtures("aws_credentials", "one_session")


@pytest.fixture(scope="module")
def session() -> AioSession:
    return get_session()


@pytest.fixture
def one_session(session: AioSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all drivers share what the SDK knows: to load it takes as long as all else of opening a driver."""
    monkeypatch.setattr(client, "get_session", lambda: session)


@pytest_asyncio.fixture
async def gate(moto: Moto) -> AsyncIterator[Link]:
    """The emulator as it is reached: it is away at once, and back at once."""
    async with proxy(moto.url) as gate:
        yield gate


class TestSecretsManager(StoreDriverContract):
    @pytest.fixture
    def harness(self, moto: Moto, gate: Link, tmp_path: Path) -> Harness:
        return SecretsManagerHarness(moto, tmp_path, gate=gate, readable=True, binary="base64")


class TestSecretsManagerWriteOnly(VersionPromises, PatchPromises):
    """What differs where nothing can be read; `make soak` runs the whole suite."""

    @pytest.fixture
    def harness(self, moto: Moto, gate: Link, tmp_path: Path) -> Harness:
        return SecretsManagerHarness(moto, tmp_path, gate=gate, readable=False, binary="base64")


@pytest.mark.soak
class TestAllOfSecretsManagerWriteOnly(TestSecretsManagerWriteOnly, StoreDriverContract):
    """The whole suite."""


class TestParameterStore(StoreDriverContract):
    @pytest.fixture
    def harness(self, moto: Moto, gate: Link, tmp_path: Path) -> Harness:
        return ParameterStoreHarness(moto, tmp_path, gate=gate, readable=True, binary="base64")


@pytest.mark.soak
class TestParameterStoreWriteOnlyAndAdvanced(StoreDriverContract):
    @pytest.fixture
    def harness(self, moto: Moto, gate: Link, tmp_path: Path) -> Harness:
        return ParameterStoreHarness(moto, tmp_path, gate=gate, readable=False, binary="base64", tier="advanced")


@pytest.mark.parametrize("layout", [{"layout": "raw", "raw_key": "k"}, {"layout": "json"}], ids=["raw", "text"])
class TestSecretsManagerLayouts(RefusalPromises):
    @pytest.fixture
    def harness(self, moto: Moto, tmp_path: Path, layout: dict[str, str]) -> Harness:
        return SecretsManagerHarness(moto, tmp_path, readable=True, gate=None, **layout)


@pytest.mark.parametrize("layout", [{"layout": "raw", "raw_key": "k"}, {"layout": "json"}], ids=["raw", "text"])
class TestParameterStoreLayouts(RefusalPromises):
    @pytest.fixture
    def harness(self, moto: Moto, tmp_path: Path, layout: dict[str, str]) -> Harness:
        return ParameterStoreHarness(moto, tmp_path, readable=True, gate=None, **layout)

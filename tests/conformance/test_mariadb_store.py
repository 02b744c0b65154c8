"""The driver `mariadb-account` against the suite on a real MariaDB."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from monoskope.stores.driver import StoreDriver
from monoskope.testing.drivers import StoreDriverContract
from monoskope.testing.drivers.refusals import RefusalPromises
from monoskope.testing.engines.mariadb import MariaDb
from tests.conformance.gated import Gated
from tests.conformance.mariadb_harness import MariadbHarness
from tests.faults.tcp_proxy import Link, proxy


@pytest_asyncio.fixture
async def gate(mariadb: MariaDb) -> AsyncIterator[Link]:
    """The database as it is reached: it is away at once, and back at once."""
    async with proxy(mariadb.port) as gate:
        yield gate


class TestAccounts(Gated, StoreDriverContract):
    """In the variant for what cannot be read and has no versions: who reads logs in."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, mariadb: MariaDb, tmp_path_factory: pytest.TempPathFactory) -> MariadbHarness:
        return MariadbHarness(mariadb, tmp_path_factory.mktemp("store"))


class RawHarness(MariadbHarness):
    """The driver as it is: the values of the suite are what an account refuses."""

    async def open(self) -> StoreDriver:
        return await self.opened()


class TestRefusals(Gated, RefusalPromises):
    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, mariadb: MariaDb, tmp_path_factory: pytest.TempPathFactory) -> RawHarness:
        return RawHarness(mariadb, tmp_path_factory.mktemp("store"))

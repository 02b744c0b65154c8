"""The driver `postgresql-account` against the suite on a real PostgreSQL of each end of what is supported."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from monoskope.protocol.payload import Payload
from monoskope.stores.driver import NOTHING, StoreDriver
from monoskope.testing.drivers import StoreDriverContract
from monoskope.testing.drivers.harness import tag
from monoskope.testing.drivers.refusals import RefusalPromises
from monoskope.testing.engines.postgres import Postgres
from tests.conformance.account_harness import AccountHarness
from tests.conformance.gated import Gated
from tests.faults.tcp_proxy import Link, proxy
from tests.support.sockets import sockets_closed


@pytest_asyncio.fixture
async def gate(accounts: Postgres) -> AsyncIterator[Link]:
    """The database as it is reached: it is away at once, and back at once."""
    async with sockets_closed(), proxy(accounts.port) as gate:
        yield gate


class TestAccounts(Gated, StoreDriverContract):
    """In the variant for what cannot be read: who reads logs in."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, accounts: Postgres, tmp_path_factory: pytest.TempPathFactory) -> AccountHarness:
        return AccountHarness(accounts, tmp_path_factory.mktemp("store"))

    async def test_the_tag_flag_is_honest(self, driver: StoreDriver, path: tuple[str, ...]) -> None:
        """An account has one version; of one before it the tag is not found, and then its end stays unknown."""
        tags = [tag(), tag()]
        first = await driver.write(path, Payload({"k": b"1"}), replacing=NOTHING, write_tag=tags[0])
        assert await driver.find(path, tags[0]) == first
        second = await driver.write(path, Payload({"k": b"2"}), replacing=first, write_tag=tags[1])
        assert [await driver.find(path, each) for each in (*tags, tag())] == [None, second, None]
        assert await driver.find((*path, "below"), tags[1]) is None


class RawHarness(AccountHarness):
    """The driver as it is: the values of the suite are what an account refuses."""

    async def open(self) -> StoreDriver:
        return await self.opened()


class TestRefusals(Gated, RefusalPromises):
    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, accounts: Postgres, tmp_path_factory: pytest.TempPathFactory) -> RawHarness:
        return RawHarness(accounts, tmp_path_factory.mktemp("store"))

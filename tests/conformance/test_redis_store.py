"""The driver `redis-account` against the suite on two nodes of a real Redis, of which one can be away."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from monoskope.stores.driver import StoreDriver
from monoskope.testing.drivers import StoreDriverContract
from monoskope.testing.drivers.refusals import RefusalPromises
from monoskope.testing.engines.redis import Redis
from tests.conformance.gated import Gated
from tests.conformance.redis_harness import RedisHarness
from tests.faults.tcp_proxy import Link, proxy
from tests.support.sockets import sockets_closed

Nodes = tuple[Redis, Redis]


@pytest_asyncio.fixture
async def gate(redis_nodes: Nodes) -> AsyncIterator[Link]:
    """The replica as it is reached: it is away at once, and back at once."""
    async with sockets_closed(), proxy(redis_nodes[1].port) as gate:
        yield gate


class TestAccounts(Gated, StoreDriverContract):
    """In the variant for what cannot be read and has no versions: who reads logs in."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, redis_nodes: Nodes, tmp_path_factory: pytest.TempPathFactory) -> RedisHarness:
        return RedisHarness(redis_nodes, tmp_path_factory.mktemp("store"))


class RawHarness(RedisHarness):
    """The driver as it is: the values of the suite are what an account refuses."""

    async def open(self) -> StoreDriver:
        return await self.opened()


class TestRefusals(Gated, RefusalPromises):
    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, redis_nodes: Nodes, tmp_path_factory: pytest.TempPathFactory) -> RawHarness:
        return RawHarness(redis_nodes, tmp_path_factory.mktemp("store"))

"""The driver `rabbitmq-account` against the suite on a real RabbitMQ."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from monoskope.stores.driver import StoreDriver
from monoskope.testing.drivers import StoreDriverContract
from monoskope.testing.drivers.refusals import RefusalPromises
from monoskope.testing.engines.rabbitmq import RabbitMq
from tests.conformance.gated import Gated
from tests.conformance.rabbitmq_harness import RabbitmqHarness
from tests.faults.tcp_proxy import Link, proxy
from tests.support.sockets import sockets_closed


@pytest_asyncio.fixture
async def gate(rabbitmq: RabbitMq) -> AsyncIterator[Link]:
    """RabbitMQ as it is reached: it is away at once, and back at once."""
    async with sockets_closed(), proxy(rabbitmq.port) as gate:
        yield gate


class TestAccounts(Gated, StoreDriverContract):
    """In the variant for what cannot be read and has no versions: who reads logs in."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, rabbitmq: RabbitMq, tmp_path_factory: pytest.TempPathFactory) -> RabbitmqHarness:
        return RabbitmqHarness(rabbitmq, tmp_path_factory.mktemp("store"))


class RawHarness(RabbitmqHarness):
    """The driver as it is: the values of the suite are what an account refuses."""

    async def open(self) -> StoreDriver:
        return await self.opened()


class TestRefusals(Gated, RefusalPromises):
    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, rabbitmq: RabbitMq, tmp_path_factory: pytest.TempPathFactory) -> RawHarness:
        return RawHarness(rabbitmq, tmp_path_factory.mktemp("store"))

"""How the tests reach the driver `rabbitmq-account` on a real RabbitMQ, under exactly its least rights."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from pathlib import Path as File
from typing import Any

from monoskope.protocol.payload import Payload
from monoskope.settings import write_private
from monoskope.stores.driver import StoreDriver
from monoskope.stores.rabbitmq_account.config import RabbitmqAccountConfig
from monoskope.stores.rabbitmq_account.store import RabbitmqAccountStore
from monoskope.testing.drivers.accounts import AsAccounts, ByLogin, password_of, role_of
from monoskope.testing.drivers.harness import Path
from monoskope.testing.engines.rabbitmq import RabbitMq
from tests.conformance.gated import GatedHarness
from tests.conformance.open_stores import OpenStores
from tests.faults.tcp_proxy import Link


class RabbitmqHarness(GatedHarness):
    """A user of its own for each, with the tag `administrator` and no permission in any virtual host."""

    bad_options: object = {"no": "such option"}

    def __init__(self, server: RabbitMq, folder: File, gate: Link | None = None) -> None:
        self.server = server
        self.gate = gate
        self.folder = folder
        self.user = f"m8_{secrets.token_hex(6)}"
        self.password = secrets.token_hex(16)
        self.stores = OpenStores()
        self.written: dict[str, list[Payload]] = {}
        self.server.put_user(self.user, password=self.password, tags=["administrator"])

    def config(self, **changes: Any) -> RabbitmqAccountConfig:
        file = self.folder / self.user
        if not file.exists():
            write_private(file, f"{self.password}\n".encode())
        port = self.server.port if self.gate is None else self.gate.port
        fields: dict[str, Any] = {
            "address": f"https://127.0.0.1:{port}",
            "user": self.user,
            "password_file": str(file),
            "ca_file": str(self.server.ca_file),
            "timeout_s": 30.0,
        }
        return RabbitmqAccountConfig(**(fields | changes))

    def create(self, name: str) -> None:
        self.server.put_user(name)

    def account(self, **changes: Any) -> str:
        """Make an account, and return its name."""
        name = f"app_{secrets.token_hex(6)}"
        self.server.put_user(name, **changes)
        return name

    async def logs_in(self, name: str, password: str) -> bool:
        return await asyncio.to_thread(self.server.logs_in, name, password)

    async def opened(self, **changes: Any) -> RabbitmqAccountStore:
        """Return a store that is closed with the test."""
        return await self.stores.add(RabbitmqAccountStore.open(self.config(**changes), state_dir=self.folder))

    async def open(self) -> StoreDriver:
        return AsAccounts(await RabbitmqAccountStore.open(self.config(), state_dir=self.folder), self)

    async def open_reader(self) -> StoreDriver:
        return ByLogin(await RabbitmqAccountStore.open(self.config(), state_dir=self.folder), self)

    async def foreign_write(self, path: Path, values: Mapping[str, str]) -> None:
        payload = Payload({key: value.encode() for key, value in values.items()})
        self.server.put_user(role_of(path), password=password_of(payload))
        self.written[role_of(path)].append(payload)

    async def delete(self, path: Path) -> None:
        self.server.put_user(role_of(path))

"""How the tests reach the driver `mariadb-account` on a real MariaDB, under exactly its least rights."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path as File
from typing import Any

import pymysql

from monoskope.protocol.payload import Payload
from monoskope.settings import write_private
from monoskope.stores.driver import StoreDriver
from monoskope.stores.mariadb_account.config import MariadbAccountConfig
from monoskope.stores.mariadb_account.store import MariadbAccountStore
from monoskope.stores.shared.trust import trusting
from monoskope.testing.drivers.accounts import AsAccounts, ByLogin, password_of, role_of
from monoskope.testing.drivers.harness import Path
from monoskope.testing.engines.mariadb import MariaDb
from tests.conformance.account_harness import LISTED
from tests.conformance.gated import GatedHarness
from tests.conformance.open_stores import OpenStores
from tests.faults.tcp_proxy import Link

ACCESS_DENIED = 1045


class MariadbHarness(GatedHarness):
    """An account of its own for each, which may execute the procedures of `policy` and nothing else."""

    bad_options: object = {"no": "such option"}

    def __init__(self, server: MariaDb, folder: File, gate: Link | None = None) -> None:
        self.server = server
        self.gate = gate
        self.folder = folder
        self.user = f"m8_{secrets.token_hex(6)}"
        self.schema = f"s_{self.user}"
        self.password = secrets.token_hex(16)
        self.stores = OpenStores()
        self.written: dict[str, list[Payload]] = {}
        self.sql(f"CREATE USER '{self.user}'@'%' IDENTIFIED VIA ed25519 USING PASSWORD('{self.password}') REQUIRE SSL")
        self.sql(self.policy())

    def config(self, **changes: Any) -> MariadbAccountConfig:
        file = self.folder / self.user
        if not file.exists():
            write_private(file, f"{self.password}\n".encode())
        port = self.server.port if self.gate is None else self.gate.port
        fields: dict[str, Any] = {
            "host": f"127.0.0.1:{port}",
            "user": self.user,
            "password_file": str(file),
            "schema": self.schema,
            "ca_file": str(self.server.ca_file),
            "timeout_s": 30.0,
        }
        return MariadbAccountConfig(**(fields | changes))

    def policy(self, names: Sequence[str] = LISTED, **changes: Any) -> str:
        return MariadbAccountStore.policy(self.config(**changes), tuple((name,) for name in names))

    def sql(self, statements: str) -> str:
        """As the DBA."""
        return self.server.sql(statements)

    def create(self, name: str) -> None:
        self.sql(f"CREATE USER '{name}'@'%' IDENTIFIED VIA mysql_native_password USING 'invalid'")

    def account(self) -> str:
        """Make an account that is listed, and return its name."""
        name = f"app_{secrets.token_hex(6)}"
        self.create(name)
        return name

    def connect(self, name: str, password: str) -> pymysql.Connection[Any]:
        return pymysql.connect(
            host="127.0.0.1",
            port=self.server.port,
            user=name,
            password=password,
            ssl=trusting(str(self.server.ca_file)),
            autocommit=True,
        )

    async def logs_in(self, name: str, password: str) -> bool:
        try:
            connection = await asyncio.to_thread(self.connect, name, password)
        except pymysql.OperationalError as error:
            if error.args[0] != ACCESS_DENIED:
                raise
            return False
        connection.close()
        return True

    async def opened(self, **changes: Any) -> MariadbAccountStore:
        """Return a store that is closed with the test."""
        return await self.stores.add(MariadbAccountStore.open(self.config(**changes), state_dir=self.folder))

    async def open(self) -> StoreDriver:
        return AsAccounts(await MariadbAccountStore.open(self.config(), state_dir=self.folder), self)

    async def open_reader(self) -> StoreDriver:
        return ByLogin(await MariadbAccountStore.open(self.config(), state_dir=self.folder), self)

    async def foreign_write(self, path: Path, values: Mapping[str, str]) -> None:
        payload = Payload({key: value.encode() for key, value in values.items()})
        name = role_of(path)
        self.sql(f"SET PASSWORD FOR '{name}'@'%' = PASSWORD('{password_of(payload)}')")
        self.written[name].append(payload)

    async def delete(self, path: Path) -> None:
        self.sql(f"ALTER USER '{role_of(path)}'@'%' IDENTIFIED VIA mysql_native_password USING 'invalid'")

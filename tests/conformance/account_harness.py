"""How the tests reach the driver `postgresql-account` on a real PostgreSQL, under exactly its least rights.

Nothing can be read from an account. So who reads here logs in with each password that was ever written, and the one
that PostgreSQL takes is what is there.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path as File
from typing import Any

import asyncpg

from monoskope.protocol.payload import Payload
from monoskope.settings import write_private
from monoskope.stores.driver import StoreDriver
from monoskope.stores.postgresql_account.config import PostgresqlAccountConfig
from monoskope.stores.postgresql_account.store import PostgresqlAccountStore
from monoskope.stores.shared.trust import trusting
from monoskope.testing.drivers.accounts import AsAccounts, ByLogin, password_of, role_of
from monoskope.testing.drivers.harness import Path
from monoskope.testing.engines.postgres import Postgres
from tests.conformance.gated import GatedHarness
from tests.conformance.open_stores import OpenStores
from tests.faults.tcp_proxy import Link

LISTED = ("app_*", "billing")
DATABASE = "accounts"


class AccountHarness(GatedHarness):
    """A role of its own for each, which may execute the functions of `policy` and nothing else."""

    bad_options: object = {"no": "such option"}

    def __init__(self, postgres: Postgres, folder: File, gate: Link | None = None) -> None:
        self.postgres = postgres
        self.gate = gate
        self.folder = folder
        self.user = f"m8_{secrets.token_hex(6)}"
        self.password = secrets.token_hex(16)
        self.stores = OpenStores()
        self.written: dict[str, list[Payload]] = {}
        self.sql(f"CREATE ROLE {self.user} LOGIN PASSWORD '{self.password}'")
        self.grant(self.policy())

    def config(self, **changes: Any) -> PostgresqlAccountConfig:
        file = self.folder / self.user
        if not file.exists():
            write_private(file, f"{self.password}\n".encode())
        port = self.postgres.port if self.gate is None else self.gate.port
        fields: dict[str, Any] = {
            "hosts": [f"127.0.0.1:{port}"],
            "user": self.user,
            "password_file": str(file),
            "database": DATABASE,
            "schema": f"s_{self.user}",
            "ca_file": str(self.postgres.ca_file),
            "deletable": True,
            "timeout_s": 30.0,
        }
        return PostgresqlAccountConfig(**(fields | changes))

    def policy(self, names: Sequence[str] = LISTED, **changes: Any) -> str:
        return PostgresqlAccountStore.policy(self.config(**changes), tuple((name,) for name in names))

    def grant(self, policy: str) -> None:
        self.sql(policy)

    def sql(self, statement: str) -> str:
        """As the DBA."""
        return self.postgres.sql(statement, database=DATABASE)

    def create(self, name: str) -> None:
        self.sql(f"CREATE ROLE {name} LOGIN")

    def account(self, **attributes: str) -> str:
        """Make a role that is listed, and return its name."""
        name = f"app_{secrets.token_hex(6)}"
        self.sql(f"CREATE ROLE {name} LOGIN {' '.join(attributes.values())}")
        return name

    async def logs_in(self, name: str, password: str) -> bool:
        """Whether PostgreSQL lets a program in by that password, over TLS."""
        tls = trusting(str(self.postgres.ca_file))
        try:
            connection = await asyncpg.connect(
                host="127.0.0.1", port=self.postgres.port, user=name, password=password, database="postgres", ssl=tls
            )
        except asyncpg.InvalidPasswordError:
            return False
        await connection.close()
        return True

    async def opened(self, **changes: Any) -> PostgresqlAccountStore:
        """Return a store that is closed with the test."""
        return await self.stores.add(PostgresqlAccountStore.open(self.config(**changes), state_dir=self.folder))

    async def open(self) -> StoreDriver:
        return AsAccounts(await PostgresqlAccountStore.open(self.config(), state_dir=self.folder), self)

    async def open_reader(self) -> StoreDriver:
        return ByLogin(await PostgresqlAccountStore.open(self.config(), state_dir=self.folder), self)

    async def foreign_write(self, path: Path, values: Mapping[str, str]) -> None:
        payload = Payload({key: value.encode() for key, value in values.items()})
        name = role_of(path)
        self.sql(f"ALTER ROLE {name} PASSWORD '{password_of(payload)}'")
        self.written[name].append(payload)

    async def delete(self, path: Path) -> None:
        self.sql(f"ALTER ROLE {role_of(path)} PASSWORD NULL")


def each_right_less(policy: str) -> list[str]:
    """Return a statement for each that grants in a policy: it takes away what that one gives."""
    granted = re.findall(r"^GRANT (.*) TO (.*);$", policy, re.MULTILINE)
    assert len(granted) == policy.count("GRANT ") > 1
    return [f"REVOKE {right} FROM {who}" for right, who in granted]

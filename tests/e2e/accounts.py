"""Accounts of a PostgreSQL and what their reactors let others do, in tests on real parts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from monoskope.settings import write_private
from monoskope.stores.shared.trust import trusting
from monoskope.testing.cluster import Cluster, editing
from monoskope.testing.cluster.commands import Ran, User
from monoskope.testing.engines.postgres import Postgres
from tests.support.engines import AgeEngine
from tests.support.sockets import sockets_closed

ANNA = "anna@example.org"
ROLE = "m8_accounts"


@dataclass(frozen=True, slots=True)
class Accounts:
    cluster: Cluster
    anna: User
    postgres: Postgres
    key: Path

    def asked(self, *words: str, **rest: Any) -> Ran:
        return self.anna.monoctl(*words, "-o", "json", **rest)

    def signed(self, *words: str, **rest: Any) -> Ran:
        return self.asked(*words, "--signing-key", str(self.key), **rest)

    def account(self, name: str) -> str:
        self.postgres.sql(f"CREATE ROLE {name} LOGIN")
        return f"pg://{name}"

    def in_vault(self, path: str) -> str:
        """The password that lies in the age store."""
        there = AgeEngine(self.cluster.folder / "reactor-vault").history(path)[-1].content
        assert there is not None
        return there["password"]

    def logs_in(self, name: str, password: str) -> bool:
        async def login() -> bool:
            tls = trusting(str(self.postgres.ca_file))
            where: dict[str, Any] = {"host": "127.0.0.1", "port": self.postgres.port, "database": "postgres"}
            async with sockets_closed():
                try:
                    connection = await asyncpg.connect(user=name, password=password, ssl=tls, **where)
                except asyncpg.InvalidPasswordError:
                    return False
                await connection.close()
            return True

        return asyncio.run(login())


def allow(home: Path, *lines: str, rules: list[dict[str, Any]], **more: Any) -> None:
    """Let the keys in `lines` do what `rules` say, and nobody write without a signature. `more` is of `[signers]`."""
    write_private(home / "allowed_signers", "".join(f"{line}\n" for line in (*lines, "# end")).encode(), replace=True)
    with editing(home / "reactor.toml") as table:
        lists = {"file": "allowed_signers", "revoked": "revoked_keys"}
        table["signers"] = lists | {"unsigned": ["verify"], "may": rules} | more
        table["timings"] = {"linger": 0.0}

"""How the tests reach the driver `redis-account` on two nodes of a real Redis, under exactly its least rights."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Mapping
from pathlib import Path as File
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from monoskope.protocol.payload import Payload
from monoskope.settings import write_private
from monoskope.stores.driver import StoreDriver
from monoskope.stores.redis_account.config import RedisAccountConfig
from monoskope.stores.redis_account.store import RedisAccountStore
from monoskope.stores.shared.trust import trusting
from monoskope.testing.drivers.accounts import AsAccounts, ByLogin, password_of, role_of
from monoskope.testing.drivers.harness import Path
from monoskope.testing.engines.redis import Redis
from tests.conformance.gated import GatedHarness
from tests.conformance.open_stores import OpenStores
from tests.faults.tcp_proxy import Link


class RedisHarness(GatedHarness):
    """An account of its own on both nodes, which may do what `policy` says and nothing else.

    Args:
        nodes: One that takes writes, and its replica.
        folder: For the store's files.
        gate: What leads to the replica, None for nothing between.
    """

    bad_options: object = {"no": "such option"}

    def __init__(self, nodes: tuple[Redis, Redis], folder: File, gate: Link | None = None) -> None:
        self.nodes = nodes
        self.gate = gate
        self.folder = folder
        self.user = f"m8_{secrets.token_hex(6)}"
        self.password = secrets.token_hex(16)
        self.stores = OpenStores()
        self.written: dict[str, list[Payload]] = {}
        self.run(f"ACL SETUSER {self.user} on >{self.password}\n{RedisAccountStore.policy(self.config(), ())}")

    def config(self, **changes: Any) -> RedisAccountConfig:
        file = self.folder / self.user
        if not file.exists():
            write_private(file, f"{self.password}\n".encode())
        primary, replica = self.nodes
        fields: dict[str, Any] = {
            "nodes": [f"127.0.0.1:{primary.port}", f"127.0.0.1:{self.gate.port if self.gate else replica.port}"],
            "user": self.user,
            "password_file": str(file),
            "ca_file": str(replica.trusted),
            "timeout_s": 30.0,
        }
        return RedisAccountConfig(**(fields | changes))

    def run(self, commands: str) -> list[str]:
        """As an administrator, on each node."""
        return [node.run(commands) for node in self.nodes]

    def create(self, name: str) -> None:
        self.run(f"ACL SETUSER {name} on")

    def account(self, rules: str = "on") -> str:
        """Make an account, and return its name."""
        name = f"app_{secrets.token_hex(6)}"
        self.run(f"ACL SETUSER {name} {rules}\nACL SAVE")
        return name

    def connect(self, node: Redis, name: str, password: str) -> redis.Redis:
        tls: dict[str, Any] = {"ssl": True, "ssl_ca_certs": str(node.trusted)}
        once = Retry(NoBackoff(), 0)
        return redis.Redis(host="127.0.0.1", port=node.port, username=name, password=password, retry=once, **tls)

    def lets_in(self, node: Redis, name: str, password: str) -> bool:
        """By `AUTH` over a socket of ours: the client of `connect` reads all authorities of the system each time."""
        words = [word.encode() for word in ("AUTH", name, password)]
        asked = b"*3\r\n" + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
        with (
            socket.create_connection(("127.0.0.1", node.port), timeout=30) as connection,
            trusting(str(node.trusted)).wrap_socket(connection, server_hostname="127.0.0.1") as over_tls,
        ):
            over_tls.sendall(asked)
            said = over_tls.recv(1_000)
        assert said.startswith((b"+OK\r\n", b"-WRONGPASS ")), said
        return said.startswith(b"+OK")

    async def logs_in(self, name: str, password: str) -> bool:
        """The same on each node."""
        [found] = {self.lets_in(node, name, password) for node in self.nodes}
        return found

    async def opened(self, **changes: Any) -> RedisAccountStore:
        """Return a store that is closed with the test."""
        return await self.stores.add(RedisAccountStore.open(self.config(**changes), state_dir=self.folder))

    async def open(self) -> StoreDriver:
        return AsAccounts(await RedisAccountStore.open(self.config(), state_dir=self.folder), self)

    async def open_reader(self) -> StoreDriver:
        return ByLogin(await RedisAccountStore.open(self.config(), state_dir=self.folder), self)

    async def foreign_write(self, path: Path, values: Mapping[str, str]) -> None:
        payload = Payload({key: value.encode() for key, value in values.items()})
        name = role_of(path)
        self.run(f"ACL SETUSER {name} resetpass >{password_of(payload)}")
        self.written[name].append(payload)

    async def delete(self, path: Path) -> None:
        self.run(f"ACL SETUSER {role_of(path)} resetpass")

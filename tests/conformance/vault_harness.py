"""How the tests reach the driver `vault` on a real OpenBao, always under its least policy."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from monoskope.api.secrets.v1.options_pb2 import VaultBinary, VaultOptions
from monoskope.protocol.payload import Payload
from monoskope.settings import write_private
from monoskope.stores.driver import StoreDriver
from monoskope.stores.vault.config import AppRole, TokenFile, VaultConfig
from monoskope.stores.vault.kv1 import VaultKv1Store
from monoskope.stores.vault.kv2 import VaultStore
from monoskope.stores.vault.logins import Method
from monoskope.stores.vault.mount import VaultMount
from monoskope.testing.drivers.harness import Harness
from monoskope.testing.engines.openbao import OpenBao
from tests.conformance.open_stores import OpenStores

Auth = Method | TokenFile

PREFIX = "team/m8"
PATIENCE_S = 60.0
VALUE = Payload({"k": b"v"})
BASE64 = VaultOptions(binary=VaultBinary.VAULT_BINARY_BASE64)


class VaultHarness(Harness):
    """A role of its own for each harness, whose policy is exactly what `config` needs."""

    refuses_bytes = True
    bytes_options: object | None = BASE64
    bad_options: object = {"binary": "base64"}
    driver: type[VaultMount] = VaultStore
    mount = "secret"
    namespace = ""

    def __init__(self, bao: OpenBao, folder: Path, *, readable: bool, binary: bool = True) -> None:
        self.bao = bao
        self.folder = folder
        self.readable = readable
        self.binary = binary
        self.role = f"role-{secrets.token_hex(6)}"
        self._login: AppRole | None = None
        self.stores = OpenStores()
        self.grant(self.policy())
        bao.create_role(self.role, [self.role])

    def policy(self, **changes: object) -> str:
        """Return the least policy of the configuration under test, as `m8 reactor policy` prints it."""
        return self.driver.policy(self.config(TokenFile(token_file="/not/read"), **changes), ((),))

    def grant(self, policy: str) -> None:
        """Let this role do what `policy` says, and nothing else."""
        self.call("POST", f"sys/policies/acl/{self.role}", {"policy": policy})

    def call(self, method: str, path: str, body: object | None = None) -> dict[str, Any]:
        """Send an administrator's request to the namespace under test."""
        return self.bao.call(method, f"{self.namespace}/{path}" if self.namespace else path, body)

    def config(self, auth: Auth | None = None, **changes: object) -> VaultConfig:
        """Return a configuration for this role; a new secret id in a file unless `auth` says otherwise."""
        fields: dict[str, object] = {
            "address": self.bao.address,
            "ca_file": str(self.bao.ca_file),
            "mount": self.mount,
            "namespace": self.namespace,
            "prefix": PREFIX,
            "readable": self.readable,
            "patchable": self.driver is VaultStore,
            "deletable": True,
            "restorable": self.driver is VaultStore,
            "listable": True,
            "binary": self.binary,
            "timeout_s": 30.0,
            "auth": auth or self.approle(),
        }
        return VaultConfig(**(fields | changes))  # type: ignore[arg-type]

    def approle(self) -> AppRole:
        return AppRole(role_id=self.bao.role_id(self.role), secret_id_file=self.private(self.bao.secret_id(self.role)))

    def token_file(self, token: str) -> TokenFile:
        return TokenFile(token_file=self.private(token))

    def private(self, content: str, *, file: str = "", mode: int = 0o600) -> str:
        """Write a file that its owner alone can read, unless `mode` says otherwise, and return its path."""
        place = Path(file) if file else self.folder / secrets.token_hex(6)
        write_private(place, content.encode(), replace=True)
        place.chmod(mode)
        return str(place)

    def remove(self, file: str) -> None:
        Path(file).unlink()

    def engine_path(self, path: tuple[str, ...]) -> str:
        return "/".join((PREFIX, *path))

    async def open(self) -> StoreDriver:
        """With the same secret id each time: to have one made takes as long as to log in."""
        self._login = self._login or self.approle()
        return await self.driver.open(self.config(self._login), state_dir=self.folder)

    async def opened(self, auth: Auth | None = None, *, state_dir: Path | None = None, **changes: object) -> Any:
        """Return a store that is closed with the test."""
        config = self.config(auth, **changes)
        return await self.stores.add(self.driver.open(config, state_dir=state_dir or self.folder))

    async def open_reader(self) -> StoreDriver:
        return await (self if self.readable else type(self)(self.bao, self.folder, readable=True)).open()

    async def foreign_write(self, path: tuple[str, ...], values: Mapping[str, str]) -> None:
        self.call("POST", f"{self.mount}/data/{self.engine_path(path)}", {"data": dict(values)})

    async def delete(self, path: tuple[str, ...]) -> None:
        self.call("DELETE", f"{self.mount}/metadata/{self.engine_path(path)}")

    async def take_down(self) -> None:
        self.bao.kill()

    async def bring_up(self) -> None:
        self.bao.start()


class Kv1Harness(VaultHarness):
    """KV version 1, which takes text alone."""

    bytes_options = None
    driver = VaultKv1Store
    mount = "old"

    def __init__(self, bao: OpenBao, folder: Path, *, readable: bool) -> None:
        super().__init__(bao, folder, readable=readable, binary=False)

    async def foreign_write(self, path: tuple[str, ...], values: Mapping[str, str]) -> None:
        self.call("POST", f"{self.mount}/{self.engine_path(path)}", dict(values))

    async def delete(self, path: tuple[str, ...]) -> None:
        self.call("DELETE", f"{self.mount}/{self.engine_path(path)}")


class NamespaceHarness(VaultHarness):
    """A mount in a mount's place, in a namespace inside a namespace, with a login of that namespace."""

    mount = "deep/er/kv"
    namespace = "dept/team"

    def __init__(self, bao: OpenBao, folder: Path, *, readable: bool) -> None:
        super().__init__(bao, folder, readable=readable)
        self.call("POST", f"auth/approle/role/{self.role}", {"token_policies": [self.role], "token_ttl": "1h"})

    def approle(self) -> AppRole:
        role = f"auth/approle/role/{self.role}"
        return AppRole(
            role_id=str(self.call("GET", f"{role}/role-id")["data"]["role_id"]),
            secret_id_file=self.private(str(self.call("POST", f"{role}/secret-id", {})["data"]["secret_id"])),
        )


def audited(bao: OpenBao, path: str) -> int:
    """How many requests to `path` the engine has answered, by its own audit log."""
    entries = map(json.loads, bao.audit_log.read_text().splitlines())
    return sum(entry["type"] == "response" and entry["request"]["path"] == path for entry in entries)


async def until(condition: Callable[[], bool]) -> None:
    over_at = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > over_at:
            pytest.fail("it never happened")
        await asyncio.sleep(0.05)


async def in_time(try_with: Callable[[int], Awaitable[bool]]) -> None:
    """Try something with tokens of some seconds until it is right, each time with longer ones.

    A token can run out before its holder has had a turn on a busy machine, so that one that lives for two seconds
    shows nothing where it fails; where all fail, it is no matter of time.
    """
    for ttl_s in (2, 6, 18):
        if await try_with(ttl_s):
            return
    pytest.fail("it went wrong, however long the tokens lived")

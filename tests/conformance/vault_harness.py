"""How the tests reach the driver `vault` on a real OpenBao, always under its least policy."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from monoskope.api.secrets.v1.options_pb2 import VaultBinary, VaultOptions
from monoskope.settings import write_private
from monoskope.stores.driver import StoreDriver
from monoskope.stores.vault import VaultStore
from monoskope.stores.vault_config import AppRole, TokenFile, VaultConfig
from monoskope.stores.vault_policy import least_policy
from monoskope.testing.driver_harness import Harness
from monoskope.testing.openbao import OpenBao

PREFIX = "team/m8"
BASE64 = VaultOptions(binary=VaultBinary.VAULT_BINARY_BASE64)


class VaultHarness(Harness):
    """A role of its own for each harness; `readable` and `binary` say what its policy grants."""

    refuses_bytes = True
    bytes_options: object = BASE64
    bad_options: object = {"binary": "base64"}

    def __init__(self, bao: OpenBao, folder: Path, *, readable: bool, binary: bool = True) -> None:
        self.bao = bao
        self.folder = folder
        self.readable = readable
        self.role = f"role-{secrets.token_hex(6)}"
        policy = least_policy(prefix=PREFIX, readable=readable, patchable=True, binary=binary, delete=True)
        bao.write_policy(self.role, policy)
        bao.create_role(self.role, [self.role])

    def config(self, auth: AppRole | TokenFile | None = None, **changes: object) -> VaultConfig:
        """Return a configuration for this role; a new secret id in a file unless `auth` says otherwise."""
        fields: dict[str, object] = {
            "address": self.bao.address,
            "ca_file": str(self.bao.ca_file),
            "prefix": PREFIX,
            "readable": self.readable,
            "patchable": True,
            "auth": auth or self.approle(),
        }
        return VaultConfig(**(fields | changes))  # type: ignore[arg-type]

    def approle(self) -> AppRole:
        return AppRole(
            role_id=self.bao.role_id(self.role),
            secret_id_file=self.private(self.bao.secret_id(self.role)),
        )

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
        return await VaultStore.open(self.config(), state_dir=self.folder)

    async def open_reader(self) -> StoreDriver:
        return await VaultHarness(self.bao, self.folder, readable=True).open()

    async def foreign_write(self, path: tuple[str, ...], values: Mapping[str, str]) -> None:
        self.bao.call("POST", f"secret/data/{self.engine_path(path)}", {"data": dict(values)})

    async def delete(self, path: tuple[str, ...]) -> None:
        self.bao.call("DELETE", f"secret/metadata/{self.engine_path(path)}")

    async def take_down(self) -> None:
        self.bao.kill()

    async def bring_up(self) -> None:
        self.bao.start()

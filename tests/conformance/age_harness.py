"""How the tests reach the driver `age`: a folder of its own, readable or not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import pyrage

from monoskope.protocol.payload import Payload
from monoskope.settings import write_private
from monoskope.stores.age.config import AgeConfig
from monoskope.stores.age.files import AgeStore
from monoskope.stores.driver import StoreDriver
from monoskope.testing.drivers.harness import Harness, tag


class AgeHarness(Harness):
    bad_options: object = {"no": "such option"}

    def __init__(self, folder: Path, *, readable: bool) -> None:
        identity = pyrage.x25519.Identity.generate()
        self.root, self.away = folder / "store", folder / "away"
        write_private(folder / "identity", f"# a comment\n{identity}\n".encode())
        recipients = [str(identity.to_public())]
        self._write_only = AgeConfig(
            folder=str(self.root), recipients=recipients, listable=True, restorable=True, lock_timeout_s=25
        )
        self._readable = msgspec.structs.replace(self._write_only, identity_file=str(folder / "identity"))
        self._config = self._readable if readable else self._write_only
        self._state = folder

    async def open(self) -> StoreDriver:
        return await AgeStore.open(self._config, state_dir=self._state)

    async def open_reader(self) -> StoreDriver:
        return await AgeStore.open(self._readable, state_dir=self._state)

    async def foreign_write(self, path: tuple[str, ...], values: Mapping[str, str]) -> None:
        other = await self.open()
        payload = Payload({key: value.encode() for key, value in values.items()})
        await other.write(path, payload, replacing=None, write_tag=tag())
        await other.close()

    async def delete(self, path: tuple[str, ...]) -> None:
        for file in self.root.joinpath(*path[:-1], f"{path[-1]}@").iterdir():
            file.unlink()

    async def take_down(self) -> None:
        self.root.rename(self.away)

    async def bring_up(self) -> None:
        if self.away.exists():
            self.away.rename(self.root)

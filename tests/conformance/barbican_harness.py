"""How the tests reach the driver `barbican` on a real Barbican, which asks nobody who they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from monoskope.stores.barbican.config import BarbicanConfig, NoLogin
from monoskope.stores.barbican.secrets import BarbicanStore
from monoskope.stores.driver import StoreDriver
from monoskope.testing.drivers.harness import Harness
from monoskope.testing.engines.barbican import Barbican
from tests.conformance.open_stores import OpenStores
from tests.faults.tcp_proxy import Link

PREFIX = "team/m8"


class BarbicanHarness(Harness):
    bad_options: object = {"no": "such option"}

    def __init__(self, barbican: Barbican, folder: Path, *, readable: bool, gate: Link | None = None) -> None:
        self.barbican = barbican
        self.gate = gate
        """What is shut when the engine shall be away; without it the engine itself is ended."""
        self.folder = folder
        self.readable = readable
        self.stores = OpenStores()

    def config(self, **changes: object) -> BarbicanConfig:
        fields: dict[str, object] = {
            "address": self.barbican.address if self.gate is None else self.gate.before(self.barbican.address),
            "ca_file": str(self.barbican.ca_file),
            "prefix": PREFIX,
            "readable": self.readable,
            "timeout_s": 30.0,
            "auth": NoLogin(project_id=self.barbican.project),
        }
        return BarbicanConfig(**(fields | changes))  # type: ignore[arg-type]

    def name(self, path: tuple[str, ...]) -> str:
        return "/".join((PREFIX, *path))

    async def open(self) -> StoreDriver:
        return await BarbicanStore.open(self.config(), state_dir=self.folder)

    async def opened(self, **changes: object) -> BarbicanStore:
        """Return a store that is closed with the test."""
        return await self.stores.add(BarbicanStore.open(self.config(**changes), state_dir=self.folder))

    async def open_reader(self) -> StoreDriver:
        return await BarbicanStore.open(self.config(readable=True), state_dir=self.folder)

    async def foreign_write(self, path: tuple[str, ...], values: Mapping[str, str]) -> None:
        self.barbican.create(self.name(path), json.dumps(values))

    async def delete(self, path: tuple[str, ...]) -> None:
        for one in self.barbican.named(self.name(path)):
            self.barbican.remove(one["secret_ref"].rpartition("/")[2])

    async def take_down(self) -> None:
        self.barbican.kill() if self.gate is None else await self.gate.close()

    async def bring_up(self) -> None:
        self.barbican.start() if self.gate is None else await self.gate.start()

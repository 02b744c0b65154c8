"""The driver suite on the engine that a `reactor.toml` describes, below one path of its own. See `store_check`."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath

import pytest
import pytest_asyncio

from monoskope.api.secrets.v1.options_pb2 import VaultBinary, VaultOptions
from monoskope.protocol.payload import Payload
from monoskope.reactor.settings import ReactorSettings
from monoskope.stores.driver import NOTHING, DriverError, StoreDriver, StoreRefusedError
from monoskope.testing.drivers import StoreDriverContract
from monoskope.testing.drivers.harness import NOT_TEXT, TRICKY, Harness, Path, over, tag
from monoskope.testing.drivers.values import OneName

_OPTIONS: dict[str, object] = {"vault": VaultOptions(binary=VaultBinary.VAULT_BINARY_BASE64)}
"""By kind: under which options a driver of ours may take any bytes."""


@dataclass(slots=True)
class Checked:
    """What is checked, and what was found out and written meanwhile."""

    settings: ReactorSettings
    folder: FilePath
    below: Path
    """Everything that is written lies at this path or below."""
    reader: tuple[ReactorSettings, FilePath] | None = None
    """ReactorSettings that may read, and their folder, where `settings` may not."""
    written: set[Path] = field(default_factory=set)
    refused: frozenset[str] | None = None
    """Names in `TRICKY` that the engine has no place for; None before they were asked for."""
    refuses_bytes: bool = False
    bytes_options: object | None = None

    async def open(self) -> StoreDriver:
        """Return a new driver that notes where it writes, and that takes the suite's paths."""
        driver: StoreDriver = await self.settings.driver.open(self.settings.engine, state_dir=self.folder)
        try:
            driver.check((*self.below, "A_b", "x" * 128), None)
        except StoreRefusedError:
            driver = OneName(driver, self.settings.prefixes[0].path)
        write = driver.write

        async def noted(
            path: Path, payload: Payload, *, replacing: str | None, write_tag: str, options: object | None = None
        ) -> str:
            self.written.add(path)
            return await write(path, payload, replacing=replacing, write_tag=write_tag, options=options)

        driver.write = noted  # type: ignore[method-assign]
        return driver

    async def clean(self) -> list[Path]:
        """Erase what was written and is there still; return the places where that did not work."""
        driver, left = await self.open(), []
        try:
            for path in sorted(self.written):
                with contextlib.suppress(DriverError):
                    if await driver.read_version(path) != NOTHING:
                        await driver.delete(path, replacing=None, destroy=driver.capabilities.deletable)
                        continue
                    continue
                left.append(path)
        finally:
            await driver.close()
        return left

    async def ask(self) -> None:
        """Find out by trying what the engine has no place for."""
        driver = await self.open()
        try:
            options = _OPTIONS.get(driver.kind)
            bytes_taken = await self._takes(driver, {"raw": NOT_TEXT}, None)
            if not bytes_taken and options is not None and await self._takes(driver, {"raw": NOT_TEXT}, options):
                self.bytes_options = options
            self.refuses_bytes = not bytes_taken
            self.refused = frozenset([name for name, values in TRICKY.items() if not await self._takes(driver, values)])
        finally:
            await driver.close()

    async def _takes(self, driver: StoreDriver, values: Mapping[str, bytes], options: object | None = None) -> bool:
        path, payload = (*self.below, "asked", secrets.token_hex(8)), Payload(values)
        try:
            await driver.write(path, payload, replacing=over(driver, NOTHING), write_tag=tag(), options=options)
        except StoreRefusedError:
            return False
        return True


class ConfiguredHarness(Harness):
    """An engine that stays up, and whose other users are played by a second driver."""

    goes_away = False

    def __init__(self, checked: Checked) -> None:
        self._checked = checked
        self.refuses_bytes = checked.refuses_bytes
        self.refused = checked.refused or frozenset()
        self.bytes_options = checked.bytes_options

    async def open(self) -> StoreDriver:
        """See `Harness.open`."""
        return await self._checked.open()

    async def open_reader(self) -> StoreDriver:
        """See `Harness.open_reader`."""
        if self._checked.reader is not None:
            settings, folder = self._checked.reader
            return await settings.driver.open(settings.engine, state_dir=folder)
        driver = await self._checked.open()
        if not driver.capabilities.readable:
            await driver.close()
            pytest.skip("the settings do not let values be read back")
        return driver

    async def foreign_write(self, path: Path, values: Mapping[str, str]) -> None:
        """Write as another replica would: no other way in is known here."""
        driver = await self._checked.open()
        try:
            payload = Payload({key: value.encode() for key, value in values.items()})
            await driver.write(path, payload, replacing=None, write_tag=tag())
        finally:
            await driver.close()

    async def delete(self, path: Path) -> None:
        """Delete as thoroughly as the settings allow."""
        driver = await self._checked.open()
        try:
            if not (driver.capabilities.deletable or driver.capabilities.soft_delete):
                pytest.skip("the settings do not let secrets be deleted")
            await driver.delete(path, replacing=None, destroy=driver.capabilities.deletable)
        finally:
            await driver.close()

    async def take_down(self) -> None:
        """Never called."""

    async def bring_up(self) -> None:
        """Never called."""


class TestConfigured(StoreDriverContract):
    """The suite; the fixture `checked` is `store_check`'s."""

    @pytest_asyncio.fixture
    async def harness(self, checked: Checked) -> Harness:  # type: ignore[override]
        """The engine under check."""
        if checked.refused is None:
            await checked.ask()
        return ConfiguredHarness(checked)

    @pytest.fixture
    def path(self, checked: Checked) -> Path:
        """A place where nothing was ever, below the throw-away path."""
        return (*checked.below, secrets.token_hex(8), "db")

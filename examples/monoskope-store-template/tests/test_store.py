"""The driver against Monoskope's suite, readable and write-only."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from monoskope_store_sqlite.accounts import SqliteAccounts
from monoskope_store_sqlite.config import SqliteConfig
from monoskope_store_sqlite.store import SqliteStore

from monoskope.errors import UsageError
from monoskope.protocol.payload import Payload, encode
from monoskope.settings import convert
from monoskope.stores import registry
from monoskope.stores.driver import StoreDriver, StoreRefusedError
from monoskope.testing.drivers import StoreDriverContract
from monoskope.testing.drivers.accounts import AsAccounts, ByLogin, password_of, role_of
from monoskope.testing.drivers.harness import Harness


class SqliteHarness(Harness):
    """How the suite reaches the engine, as a driver and past it."""

    def __init__(self, folder: Path, *, readable: bool) -> None:
        self._folder = folder
        self._file = folder / "secrets.sqlite"
        self._readable = readable

    async def open(self) -> StoreDriver:
        config = SqliteConfig(file=str(self._file), readable=self._readable)
        return await SqliteStore.open(config, state_dir=self._folder)

    async def open_reader(self) -> StoreDriver:
        return await SqliteStore.open(SqliteConfig(file=str(self._file), readable=True), state_dir=self._folder)

    async def foreign_write(self, path: tuple[str, ...], values: Mapping[str, str]) -> None:
        content = encode(Payload({key: value.encode() for key, value in values.items()}))
        with self._database() as database:
            row = ("/".join(path), "somebody else", content)
            database.execute("INSERT INTO secrets (path, tag, content) VALUES (?, ?, ?)", row)

    async def delete(self, path: tuple[str, ...]) -> None:
        with self._database() as database:
            database.execute("DELETE FROM secrets WHERE path = ?", ("/".join(path),))

    async def take_down(self) -> None:
        self._file.rename(self._folder / "away")

    async def bring_up(self) -> None:
        if (self._folder / "away").exists():
            (self._folder / "away").rename(self._file)

    @contextlib.contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self._file)) as database, database:
            yield database


class AccountsHarness(SqliteHarness):
    """The same for accounts: the suite's paths are accounts, its values passwords, and who reads logs in."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, readable=False)
        self.written: dict[str, list[Payload]] = {}

    async def _open(self) -> SqliteAccounts:
        return await SqliteAccounts.open(SqliteConfig(file=str(self._file)), state_dir=self._folder)

    async def open(self) -> StoreDriver:
        return AsAccounts(await self._open(), self)

    async def open_reader(self) -> StoreDriver:
        return ByLogin(await self._open(), self)

    def create(self, name: str) -> None:
        """There are no accounts here but those with a password."""

    async def logs_in(self, name: str, password: str) -> bool:
        driver = await self._open()
        return (await driver.matches((name,), Payload({"password": password.encode()})))[1]

    async def foreign_write(self, path: tuple[str, ...], values: Mapping[str, str]) -> None:
        payload = Payload({key: value.encode() for key, value in values.items()})
        account = Payload({"password": password_of(payload).encode()})
        driver = await self._open()
        await driver.write((role_of(path),), account, replacing=None, write_tag="somebody else")
        self.written[role_of(path)].append(payload)

    async def delete(self, path: tuple[str, ...]) -> None:
        await super().delete((role_of(path),))


class TestAccounts(StoreDriverContract):
    """Takes passwords, and tells whether one is there."""

    @pytest.fixture
    def harness(self, tmp_path: Path) -> Harness:
        return AccountsHarness(tmp_path)


@pytest.mark.asyncio
async def test_an_account_is_one_name_with_one_password(tmp_path: Path) -> None:
    driver = await SqliteAccounts.open(SqliteConfig(file=str(tmp_path / "a")), state_dir=tmp_path)
    with pytest.raises(StoreRefusedError, match="one account"):
        driver.check(("team", "orders"), None)
    for values in ({"password": b"short"}, {"password": b"x" * 20, "user": b"a"}):
        with pytest.raises(StoreRefusedError):
            driver.check_payload(("orders",), Payload(values), remove=None, options=None)
    password = Payload({"password": b"what-nobody-has-seen"})
    await driver.write(("orders",), password, replacing=None, write_tag="t")
    assert b"nobody" not in (tmp_path / "a").read_bytes()


class TestReadable(StoreDriverContract):
    """May read values back."""

    @pytest.fixture
    def harness(self, tmp_path: Path) -> Harness:
        return SqliteHarness(tmp_path, readable=True)


class TestWriteOnly(StoreDriverContract):
    """May not."""

    @pytest.fixture
    def harness(self, tmp_path: Path) -> Harness:
        return SqliteHarness(tmp_path, readable=False)


def test_monoskope_finds_the_drivers_by_their_entry_points() -> None:
    assert registry.find("sqlite") is SqliteStore
    assert registry.find("sqlite-accounts") is SqliteAccounts


def test_the_first_settings_fit(tmp_path: Path) -> None:
    assert convert(SqliteStore.example(tmp_path), SqliteConfig, where="reactor.toml").file.startswith(str(tmp_path))


@pytest.mark.parametrize(
    ("table", "names"), [({"file": "x"}, "file"), ({"flie": "/x"}, "flie"), ({"file": "/x", "timeout_s": 0}, "timeout")]
)
def test_a_setting_that_is_wrong_is_named(table: dict[str, object], names: str) -> None:
    with pytest.raises(UsageError, match=names):
        convert(table, SqliteConfig, where="reactor.toml")

"""What the suite for store drivers is told of an engine, and what it writes into it."""

from __future__ import annotations

import contextlib
import secrets
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

import pytest
import pytest_asyncio

from monoskope.protocol.payload import Payload
from monoskope.stores.driver import NOTHING, StoreDriver

Path = tuple[str, ...]

NOT_TEXT = b"\x80\x81\x00\xff"
"""Bytes that are not valid UTF-8."""


class Harness(ABC):
    """What the suite needs to know about one engine under one configuration."""

    refuses_bytes: bool = False
    """Whether values that are not UTF-8 are refused without `bytes_options`."""
    refused: frozenset[str] = frozenset()
    """Names in `TRICKY` that the engine's layout has no place for, so that they are refused."""
    bytes_options: object | None = None
    """Options under which any bytes are taken; None where there are none, or none are needed."""
    more_options: Sequence[object] = ()
    """Other options, which fit some values and not others; each is tried with each."""
    lone_options: Sequence[object] = ()
    """Other options that the driver takes or refuses whatever the values are; each is tried with one."""
    goes_away: bool = True
    """Whether `take_down` can be called; without it what happens then is not checked."""
    bad_options: object = object()
    """Options that the driver must refuse."""

    @abstractmethod
    async def open(self) -> StoreDriver:
        """Return a new driver of the configuration under test. Called more than once."""

    async def open_reader(self) -> StoreDriver:
        """Return a new driver on the same engine that can read; needed where `open` gives a write-only one."""
        return await self.open()

    @abstractmethod
    async def foreign_write(self, path: Path, values: Mapping[str, str]) -> None:
        """Write a value as people or other programs would, past Monoskope."""

    @abstractmethod
    async def delete(self, path: Path) -> None:
        """Remove the secret as an administrator would, as thoroughly as the engine allows."""

    @abstractmethod
    async def take_down(self) -> None:
        """Make the engine unreachable for every driver that is open."""

    @abstractmethod
    async def bring_up(self) -> None:
        """Undo `take_down`; must not mind if the engine is up."""


def tag() -> str:
    """Return a new write tag."""
    return secrets.token_hex(32)


def sized(padded: int, filler: bytes = b"x") -> Payload:
    """Return a payload of `filler` whose padded plaintext has exactly `padded` bytes, filled as far as it goes."""
    return Payload({"k": filler * ((padded - len('{"k":""}')) // 4 * 3)})


TRICKY: dict[str, dict[str, bytes]] = {
    "empty value": {"k": b""},
    "utf-8": {"k": "Grüße, 秘密 🔑 \u2028 \ufffd".encode()},
    "newlines": {"k": b"-----BEGIN-----\nabc\r\n\r\n-----END-----\n\n"},
    "quotes": {"k": b"\"'\\`$(x) <&> {{y}} %s"},
    "control characters": {"k": bytes(range(32)) + b"\x7f"},
    "spaces around": {"k": b"  \t x \n "},
    "looks like a number": {"k": b"1.0", "n": b"00", "t": b"true", "z": b"null"},
    "looks like JSON": {"k": b'{"a":[1,2]}'},
    "looks like base64": {"k": b"gIEA/w=="},
    "64 keys": {f"key-{number:02}.{'x' * number}": str(number).encode() for number in range(64)},
    "odd keys": {"-": b"a", "_": b"b", ".a": b"c", "A": b"d", "a": b"e", "x" * 253: b"f", "data": b"g"},
}

NEIGHBOURS: list[Path] = [
    ("a",),
    ("A",),
    ("a", "b"),
    ("a.b",),
    ("a-b",),
    ("a_b",),
    ("a", "b", "c"),
    ("a", "b.c"),
    ("ab",),
    ("a", "a"),
    ("a..b",),
    ("data", "metadata"),
    ("x" * 128,),
    ("x" * 127 + "y",),
]


class DriverFixtures:
    """The drivers and the place that each promise is tested with."""

    pytestmark = pytest.mark.asyncio

    @pytest.fixture
    def harness(self) -> Harness:
        """Return the harness of the engine; must be given by the subclass."""
        raise NotImplementedError

    @pytest_asyncio.fixture
    async def driver(self, harness: Harness) -> AsyncIterator[StoreDriver]:
        """The driver under test."""
        opened = await harness.open()
        yield opened
        await opened.close()

    @pytest_asyncio.fixture
    async def second(self, harness: Harness) -> AsyncIterator[StoreDriver]:
        """Another driver on the same engine, as another replica has."""
        opened = await harness.open()
        yield opened
        await opened.close()

    @pytest_asyncio.fixture
    async def reader(self, harness: Harness) -> AsyncIterator[StoreDriver]:
        """A driver that can read what the others write."""
        opened = await harness.open_reader()
        yield opened
        await opened.close()

    @pytest.fixture
    def path(self) -> Path:
        """A place where nothing was ever. Everything that is written lies at its parent or below."""
        return ("contract", secrets.token_hex(8), "db")


def each_tricky(path: Path) -> Iterator[tuple[str, Path]]:
    """Yield the names of `TRICKY`, each with a place of its own beside `path`."""
    for number, name in enumerate(TRICKY):
        yield name, (*path[:-1], f"tricky-{number}")


@contextlib.contextmanager
def told(case: str) -> Iterator[None]:
    """Say in a failure of the block which case of a test it was."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"the case: {case}")
        raise


def over(driver: StoreDriver, version: str | None) -> str | None:
    """Return what to name as replaced: `version`, or None for an engine without check-and-set."""
    return version if driver.capabilities.check_and_set else None


async def shows(driver: StoreDriver, path: Path, version: str) -> None:
    """Assert that `version`, which a write returned, is at `path` now, as far as the engine names what is there."""
    seen = await driver.read_version(path)
    assert seen == version if driver.capabilities.versions else seen not in {NOTHING, version}


async def holds(reader: StoreDriver, path: Path, version: str, values: Mapping[str, bytes]) -> None:
    """Assert what is at `path` now."""
    snapshot = await reader.read(path)
    assert snapshot is not None
    assert snapshot.version == version if reader.capabilities.versions else snapshot.version not in {NOTHING, version}
    assert dict(snapshot.payload) == dict(values)
    assert list(snapshot.payload) == sorted(values)

"""The suite that every store driver must pass: each promise of `monoskope.stores.driver`, as a test.

Say how your engine is reached in a `Harness`, then subclass the suite:

    class TestMyStore(StoreDriverContract):
        @pytest.fixture
        def harness(self) -> Harness:
            return MyHarness()

It needs pytest and pytest-asyncio (extra `testing`).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio

from monoskope.errors import UsageError
from monoskope.protocol.payload import MAX_PADDED, MIN_PADDED, Payload, encode
from monoskope.stores.driver import (
    NOTHING,
    CannotReadError,
    DriverError,
    StoreConflictError,
    StoreDriver,
    StoreRefusedError,
    StoreUnavailableError,
    UnsupportedError,
)

Path = tuple[str, ...]

NOT_TEXT = b"\x80\x81\x00\xff"
"""Bytes that are not valid UTF-8."""


class Harness(ABC):
    """What the suite needs to know about one engine under one configuration."""

    refuses_bytes: bool = False
    """Whether values that are not UTF-8 are refused without `bytes_options`."""
    bytes_options: object | None = None
    """Options under which any bytes are taken."""
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


class StoreDriverContract:
    """Subclass this with a fixture `harness`. Tests use new paths, so the engine may be kept between them."""

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
        """A place where nothing was ever."""
        return ("contract", secrets.token_hex(8), "db")

    # --- what it says of itself ---

    async def test_capabilities_are_within_the_protocol(self, driver: StoreDriver) -> None:
        """The largest payload is a padded size, and the flags hold."""
        size = driver.capabilities.max_plaintext
        assert MIN_PADDED <= size <= MAX_PADDED
        assert size & (size - 1) == 0
        assert driver.capabilities == driver.capabilities

    async def test_the_readable_flag_is_honest(self, driver: StoreDriver, path: Path) -> None:
        """A driver that says it can read does; one that says it cannot refuses as the interface says."""
        version = await driver.write(path, Payload({"k": b"v"}), replacing=NOTHING, write_tag=tag())
        if driver.capabilities.readable:
            snapshot = await driver.read(path)
            assert snapshot is not None
            assert (snapshot.version, dict(snapshot.payload)) == (version, {"k": b"v"})
        else:
            with pytest.raises(CannotReadError):
                await driver.read(path)

    async def test_the_tag_flag_is_honest(self, driver: StoreDriver, path: Path) -> None:
        """With the capability a write is found by its tag, and no other is; without it `find` says so."""
        tags = [tag(), tag()]
        first = await driver.write(path, Payload({"k": b"1"}), replacing=NOTHING, write_tag=tags[0])
        second = await driver.write(path, Payload({"k": b"2"}), replacing=first, write_tag=tags[1])
        if driver.capabilities.write_tag:
            assert [await driver.find(path, each) for each in tags] == [first, second]
            assert await driver.find(path, tag()) is None
            assert await driver.find((*path, "below"), tags[0]) is None
        else:
            with pytest.raises(UnsupportedError):
                await driver.find(path, tags[0])

    async def test_options_that_are_not_its_own_are_refused(
        self, harness: Harness, driver: StoreDriver, path: Path
    ) -> None:
        """Before a key is made, and again at the write; nothing is written."""
        with pytest.raises(StoreRefusedError):
            driver.check(path, harness.bad_options)
        with pytest.raises(StoreRefusedError):
            await driver.write(
                path, Payload({"k": b"v"}), replacing=NOTHING, write_tag=tag(), options=harness.bad_options
            )
        assert await driver.read_version(path) == NOTHING

    async def test_no_options_are_fine(self, harness: Harness, driver: StoreDriver, path: Path) -> None:
        """Every path of the grammar passes without options, or with the driver's own."""
        for each in [path, *NEIGHBOURS]:
            driver.check(each, None)
            driver.check(each, harness.bytes_options)

    # --- versions ---

    async def test_nothing_is_where_nothing_was_written(
        self, driver: StoreDriver, reader: StoreDriver, path: Path
    ) -> None:
        """Neither at the path, nor above or below a secret."""
        assert await driver.read_version(path) == NOTHING
        assert await reader.read(path) is None
        await driver.write(path, Payload({"k": b"v"}), replacing=NOTHING, write_tag=tag())
        assert await driver.read_version(path[:-1]) == NOTHING
        assert await driver.read_version((*path, "below")) == NOTHING

    async def test_a_write_becomes_the_current_version(
        self, driver: StoreDriver, second: StoreDriver, path: Path
    ) -> None:
        """For this driver and for every other one."""
        version = await driver.write(path, Payload({"k": b"v"}), replacing=NOTHING, write_tag=tag())
        assert version != NOTHING
        assert await driver.read_version(path) == version
        assert await second.read_version(path) == version

    async def test_no_version_is_given_twice(self, driver: StoreDriver, path: Path) -> None:
        """Not even for equal content."""
        versions = [NOTHING]
        for _ in range(5):
            versions.append(await driver.write(path, Payload({"k": b"v"}), replacing=versions[-1], write_tag=tag()))
        assert len(set(versions)) == len(versions)

    async def test_a_deleted_secret_is_nothing_and_its_versions_never_return(
        self, harness: Harness, driver: StoreDriver, reader: StoreDriver, path: Path
    ) -> None:
        """After an administrator removed it, it can be made anew, and old versions do not match."""
        old = [await driver.write(path, Payload({"k": b"v"}), replacing=NOTHING, write_tag=tag())]
        old.append(await driver.write(path, Payload({"k": b"w"}), replacing=old[0], write_tag=tag()))
        await harness.delete(path)
        assert await driver.read_version(path) == NOTHING
        assert await reader.read(path) is None
        for version in old:
            with pytest.raises(StoreConflictError):
                await driver.write(path, Payload({"k": b"x"}), replacing=version, write_tag=tag())
        for _ in old:
            current = await driver.read_version(path)
            new = await driver.write(path, Payload({"k": b"x"}), replacing=current, write_tag=tag())
            assert new not in old
            assert new == await driver.read_version(path)
        for version in old:
            with pytest.raises(StoreConflictError):
                await driver.write(path, Payload({"k": b"y"}), replacing=version, write_tag=tag())

    # --- check-and-set ---

    async def test_nothing_is_replaced_only_where_nothing_is(
        self, driver: StoreDriver, reader: StoreDriver, path: Path
    ) -> None:
        """The value that is there stays."""
        version = await driver.write(path, Payload({"k": b"first"}), replacing=NOTHING, write_tag=tag())
        with pytest.raises(StoreConflictError):
            await driver.write(path, Payload({"k": b"second"}), replacing=NOTHING, write_tag=tag())
        await _holds(reader, path, version, {"k": b"first"})

    async def test_a_stale_version_is_not_replaced(
        self, driver: StoreDriver, second: StoreDriver, reader: StoreDriver, path: Path
    ) -> None:
        """Not by the driver that wrote the newer one, nor by another."""
        first = await driver.write(path, Payload({"k": b"1"}), replacing=NOTHING, write_tag=tag())
        version = await second.write(path, Payload({"k": b"2"}), replacing=first, write_tag=tag())
        for each in (driver, second):
            with pytest.raises(StoreConflictError):
                await each.write(path, Payload({"k": b"3"}), replacing=first, write_tag=tag())
        await _holds(reader, path, version, {"k": b"2"})

    async def test_a_version_that_never_was_is_not_replaced(self, driver: StoreDriver, path: Path) -> None:
        """Neither one of another path, nor one yet to come, nor any other text."""
        other = (*path, "other")
        foreign = NOTHING
        for _ in range(3):
            foreign = await driver.write(other, Payload({"k": b"v"}), replacing=foreign, write_tag=tag())
        invented = [foreign, "1", "999", "nonsense", "1@2", f"{foreign}0"]
        for version in invented:
            with pytest.raises(StoreConflictError):
                await driver.write(path, Payload({"k": b"v"}), replacing=version, write_tag=tag())
        assert await driver.read_version(path) == NOTHING
        current = await driver.write(path, Payload({"k": b"v"}), replacing=NOTHING, write_tag=tag())
        for version in invented:
            with pytest.raises(StoreConflictError):
                await driver.write(path, Payload({"k": b"w"}), replacing=version, write_tag=tag())
        assert await driver.read_version(path) == current

    async def test_what_others_wrote_is_seen_and_can_be_replaced(
        self, harness: Harness, driver: StoreDriver, reader: StoreDriver, path: Path
    ) -> None:
        """A foreign value has a version like any other."""
        mine = await driver.write(path, Payload({"k": b"mine"}), replacing=NOTHING, write_tag=tag())
        await harness.foreign_write(path, {"k": "theirs"})
        theirs = await driver.read_version(path)
        assert theirs not in {mine, NOTHING}
        await _holds(reader, path, theirs, {"k": b"theirs"})
        with pytest.raises(StoreConflictError):
            await driver.write(path, Payload({"k": b"again"}), replacing=mine, write_tag=tag())
        version = await driver.write(path, Payload({"k": b"again"}), replacing=theirs, write_tag=tag())
        await _holds(reader, path, version, {"k": b"again"})

    async def test_none_replaces_whatever_is_there(self, driver: StoreDriver, reader: StoreDriver, path: Path) -> None:
        """Nothing, or a version; the whole secret is replaced, not merged."""
        await driver.write(path, Payload({"a": b"1", "b": b"2"}), replacing=None, write_tag=tag())
        version = await driver.write(path, Payload({"b": b"3"}), replacing=None, write_tag=tag())
        await _holds(reader, path, version, {"b": b"3"})

    @pytest.mark.parametrize("start", ["nothing", "a version"])
    async def test_one_of_many_writers_wins(
        self, driver: StoreDriver, second: StoreDriver, reader: StoreDriver, path: Path, start: str
    ) -> None:
        """Exactly one, all others learn that they lost, and the winner's value is there."""
        before = NOTHING
        if start == "a version":
            before = await driver.write(path, Payload({"k": b"before"}), replacing=NOTHING, write_tag=tag())

        async def attempt(number: int) -> str | None:
            writer = (driver, second)[number % 2]
            try:
                return await writer.write(path, Payload({"k": str(number).encode()}), replacing=before, write_tag=tag())
            except StoreConflictError:
                return None

        outcomes = await asyncio.gather(*(attempt(number) for number in range(12)))
        winners = [(number, version) for number, version in enumerate(outcomes) if version is not None]
        assert len(winners) == 1
        await _holds(reader, path, winners[0][1], {"k": str(winners[0][0]).encode()})

    # --- values ---

    @pytest.mark.parametrize("name", TRICKY)
    async def test_bytes_come_back_as_they_went(
        self, driver: StoreDriver, reader: StoreDriver, path: Path, name: str
    ) -> None:
        """Byte for byte, key for key."""
        values = TRICKY[name]
        version = await driver.write(path, Payload(values), replacing=NOTHING, write_tag=tag())
        await _holds(reader, path, version, values)

    @pytest.mark.parametrize("filler", ["x", "<", "\x01"])
    async def test_the_largest_payload_always_fits(
        self, driver: StoreDriver, reader: StoreDriver, path: Path, filler: str
    ) -> None:
        """A payload of the announced size is taken and comes back, whatever characters an engine has to escape."""
        payload = sized(driver.capabilities.max_plaintext, filler.encode())
        assert len(encode(payload)) == driver.capabilities.max_plaintext
        version = await driver.write(path, payload, replacing=NOTHING, write_tag=tag())
        snapshot = await reader.read(path)
        assert snapshot is not None
        assert snapshot.version == version
        assert hashlib.sha256(snapshot.payload["k"]).digest() == hashlib.sha256(payload["k"]).digest()

    async def test_bytes_that_are_not_text_are_taken_or_refused_as_a_whole(
        self, harness: Harness, driver: StoreDriver, path: Path
    ) -> None:
        """A driver that needs an option for them refuses without it, names the key, and writes nothing."""
        payload = Payload({"fine": b"text", "raw": NOT_TEXT})
        if harness.refuses_bytes:
            with pytest.raises(StoreRefusedError, match="raw"):
                await driver.write(path, payload, replacing=NOTHING, write_tag=tag())
            assert await driver.read_version(path) == NOTHING
        else:
            assert await driver.write(path, payload, replacing=NOTHING, write_tag=tag())

    async def test_bytes_that_are_not_text_come_back_exactly_or_not_at_all(
        self, harness: Harness, driver: StoreDriver, reader: StoreDriver, path: Path
    ) -> None:
        """Reading may fail, but it never gives other bytes; text written later is read again."""
        values = {"fine": b"text", "raw": NOT_TEXT}
        version = await driver.write(
            path, Payload(values), replacing=NOTHING, write_tag=tag(), options=harness.bytes_options
        )
        try:
            snapshot = await reader.read(path)
        except CannotReadError:
            snapshot = None
        else:
            assert snapshot is not None
            assert dict(snapshot.payload) == values
        assert await driver.read_version(path) == version
        version = await driver.write(path, Payload({"k": b"plain"}), replacing=version, write_tag=tag())
        await _holds(reader, path, version, {"k": b"plain"})

    # --- places ---

    async def test_every_path_is_a_place_of_its_own(self, driver: StoreDriver, reader: StoreDriver, path: Path) -> None:
        """Names that differ in case, in a dot or in where a slash is are different secrets."""
        places = [(*path[:2], *each) for each in NEIGHBOURS]
        for number, place in enumerate(places):
            assert await driver.read_version(place) == NOTHING
            await driver.write(place, Payload({"k": str(number).encode()}), replacing=NOTHING, write_tag=tag())
        for number, place in enumerate(places):
            snapshot = await reader.read(place)
            assert snapshot is not None
            assert dict(snapshot.payload) == {"k": str(number).encode()}

    # --- failure ---

    async def test_an_engine_that_is_away_is_unavailable(
        self, harness: Harness, driver: StoreDriver, path: Path
    ) -> None:
        """Nothing is written meanwhile, and the same driver works again when the engine is back."""
        await harness.take_down()
        try:
            with pytest.raises(StoreUnavailableError):
                await driver.read_version(path)
            with pytest.raises(StoreUnavailableError):
                await driver.write(path, Payload({"k": b"v"}), replacing=NOTHING, write_tag=tag())
        finally:
            await harness.bring_up()
        assert await driver.read_version(path) == NOTHING
        assert await driver.write(path, Payload({"k": b"v"}), replacing=NOTHING, write_tag=tag())

    async def test_no_value_shows_in_a_message_or_a_log(
        self, harness: Harness, driver: StoreDriver, path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Not in any error's text, `repr`, cause or context, nor in a log line of any library at any level."""
        value = f"canary-{secrets.token_hex(8)}"
        caplog.set_level(logging.DEBUG)
        payload = Payload({"k": value.encode(), "raw": value.encode() + NOT_TEXT})
        seen = [repr(driver), str(driver)]
        seen += await _complaints(driver, path, payload, None)
        seen += await _complaints(driver, path, payload, harness.bytes_options)
        seen += await _complaints(driver, path, payload, harness.bad_options)
        await harness.take_down()
        try:
            seen += await _complaints(driver, path, payload, harness.bytes_options)
        finally:
            await harness.bring_up()
        assert value not in "\n".join([*seen, caplog.text])

    async def test_it_can_be_closed_twice(self, harness: Harness) -> None:
        """Closing what is closed does nothing."""
        driver = await harness.open()
        await driver.close()
        await driver.close()

    async def test_what_one_driver_closes_another_still_uses(
        self, harness: Harness, driver: StoreDriver, path: Path
    ) -> None:
        """Replicas do not share a life."""
        other = await harness.open()
        version = await other.write(path, Payload({"k": b"v"}), replacing=NOTHING, write_tag=tag())
        await other.close()
        assert await driver.read_version(path) == version


async def _holds(reader: StoreDriver, path: Path, version: str, values: Mapping[str, bytes]) -> None:
    """Assert what is at `path` now."""
    snapshot = await reader.read(path)
    assert snapshot is not None
    assert snapshot.version == version
    assert dict(snapshot.payload) == dict(values)
    assert list(snapshot.payload) == sorted(values)


async def _complaints(driver: StoreDriver, path: Path, payload: Payload, options: object | None) -> list[str]:
    """Make the driver fail in several ways, or succeed; return all that it said."""
    said: list[str] = []
    for replacing in (NOTHING, NOTHING, "nonsense", None):
        try:
            said.append(await driver.write(path, payload, replacing=replacing, write_tag=tag(), options=options))
        except (DriverError, UsageError) as error:
            said += _everything(error)
    try:
        said.append(repr(await driver.read(path)))
    except DriverError as error:
        said += _everything(error)
    return said


def _everything(error: BaseException | None) -> list[str]:
    """Return every text that hangs on an error."""
    texts: list[str] = []
    while error is not None:
        texts += [str(error), repr(error), repr(error.args), repr(vars(error))]
        error = error.__cause__ or error.__context__
    return texts

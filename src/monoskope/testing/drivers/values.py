"""The promises of a store driver about values, and the places where an engine takes them."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Any, ClassVar, Self

import pytest

from monoskope.protocol.payload import Payload, encode
from monoskope.stores.driver import (
    NOTHING,
    CannotReadError,
    Capabilities,
    Snapshot,
    StoreDriver,
    StoreRefusedError,
    UnsupportedError,
)
from monoskope.testing.drivers.harness import (
    NEIGHBOURS,
    NOT_TEXT,
    TRICKY,
    DriverFixtures,
    Harness,
    Path,
    each_tricky,
    holds,
    over,
    shows,
    sized,
    tag,
    told,
)


def one_name(path: Path) -> str:
    """Return the name that stands for a path of the suite; two paths never share one."""
    return f"m8-check-{hashlib.sha256('/'.join(path).encode()).hexdigest()}"


class OneName(StoreDriver):
    """A driver under test that is given one name of lower-case letters and digits below `prefix` for each path.

    What it says of paths is then not what is tested: that stays with the driver's own tests.
    """

    kind: ClassVar[str] = ""
    Config: ClassVar[Any] = None

    def __init__(self, inner: StoreDriver, prefix: Path) -> None:
        self.inner = inner
        self.prefix = prefix
        self.kind = inner.kind  # type: ignore[misc] # it stands for drivers of any kind
        self.maturity = inner.maturity  # type: ignore[misc]

    def __repr__(self) -> str:
        return repr(self.inner)

    @classmethod
    async def open(cls, config: object, *, state_dir: FilePath) -> Self:
        """Not for this one: it is made of a driver that is open."""
        raise NotImplementedError

    def _place(self, path: Path) -> Path:
        return (*self.prefix, one_name(path))

    @property
    def capabilities(self) -> Capabilities:
        """Those of the driver, but for listing: the names that it would list are not the suite's."""
        return dataclasses.replace(self.inner.capabilities, listable=False)

    def check(self, path: Path, options: object | None) -> None:
        """Ask the driver."""
        self.inner.check(self._place(path), options)

    def check_payload(self, path: Path, payload: Payload | None, **rest: Any) -> None:  # noqa: ANN401 - passed on
        """Ask the driver."""
        self.inner.check_payload(self._place(path), payload, **rest)

    async def read_version(self, path: Path) -> str:
        """Ask the driver."""
        return await self.inner.read_version(self._place(path))

    async def write(self, path: Path, payload: Payload, **rest: Any) -> str:  # noqa: ANN401 - passed on
        """Ask the driver."""
        return await self.inner.write(self._place(path), payload, **rest)

    async def patch(
        self,
        path: Path,
        changes: Payload | None,
        remove: Sequence[str],
        **rest: Any,  # noqa: ANN401 - passed on
    ) -> str:
        """Ask the driver."""
        return await self.inner.patch(self._place(path), changes, remove, **rest)

    async def delete(self, path: Path, *, replacing: str | None, destroy: bool) -> None:
        """Ask the driver."""
        await self.inner.delete(self._place(path), replacing=replacing, destroy=destroy)

    async def find(self, path: Path, write_tag: str) -> str | None:
        """Ask the driver."""
        return await self.inner.find(self._place(path), write_tag)

    async def read(self, path: Path) -> Snapshot | None:
        """Ask the driver."""
        return await self.inner.read(self._place(path))

    async def matches(self, path: Path, payload: Payload) -> tuple[str, bool]:
        """Ask the driver."""
        return await self.inner.matches(self._place(path), payload)

    async def close(self) -> None:
        """Close the driver."""
        await self.inner.close()


class ValuePromises(DriverFixtures):
    """What is read is what was written, at a place that is no other secret's."""

    async def test_bytes_come_back_as_they_went(
        self, harness: Harness, driver: StoreDriver, reader: StoreDriver, path: Path
    ) -> None:
        """Byte for byte, key for key; or they are refused, and nothing is written."""
        for name, place in each_tricky(path):
            with told(name):
                values = TRICKY[name]
                if name in harness.refused:
                    with pytest.raises(StoreRefusedError):
                        await driver.write(place, Payload(values), replacing=over(driver, NOTHING), write_tag=tag())
                    assert await driver.read_version(place) == NOTHING
                    continue
                version = await driver.write(place, Payload(values), replacing=over(driver, NOTHING), write_tag=tag())
                await holds(reader, place, version, values)

    async def test_the_matches_flag_is_honest(self, driver: StoreDriver, path: Path) -> None:
        """What is there is told from what is not, or nothing is said."""
        there, other = Payload({"k": b"what is there"}), Payload({"k": b"what is not"})
        await driver.write(path, there, replacing=over(driver, NOTHING), write_tag=tag())
        if not driver.capabilities.matches:
            with pytest.raises(UnsupportedError):
                await driver.matches(path, there)
            return
        assert [(await driver.matches(path, payload))[1] for payload in (there, other)] == [True, False]

    async def test_the_largest_payload_always_fits(self, driver: StoreDriver, reader: StoreDriver, path: Path) -> None:
        """A payload of the announced size is taken and comes back, whatever characters an engine has to escape."""
        version = NOTHING
        for filler in (b"x", b"<", b"\x01"):
            payload = sized(driver.capabilities.max_plaintext, filler)
            assert len(encode(payload)) == driver.capabilities.max_plaintext
            version = await driver.write(path, payload, replacing=over(driver, version), write_tag=tag())
            snapshot = await reader.read(path)
            assert snapshot is not None
            assert snapshot.version == version or not reader.capabilities.versions
            assert hashlib.sha256(snapshot.payload["k"]).digest() == hashlib.sha256(payload["k"]).digest()

    async def test_bytes_that_are_not_text_are_taken_or_refused_as_a_whole(
        self, harness: Harness, driver: StoreDriver, path: Path
    ) -> None:
        """A driver that needs an option for them refuses without it, names the key, and writes nothing."""
        payload = Payload({"fine": b"text", "raw": NOT_TEXT})
        if harness.refuses_bytes:
            with pytest.raises(StoreRefusedError, match="raw"):
                await driver.write(path, payload, replacing=over(driver, NOTHING), write_tag=tag())
            assert await driver.read_version(path) == NOTHING
        else:
            assert await driver.write(path, payload, replacing=over(driver, NOTHING), write_tag=tag())

    async def test_bytes_that_are_not_text_come_back_exactly_or_not_at_all(
        self, harness: Harness, driver: StoreDriver, reader: StoreDriver, path: Path
    ) -> None:
        """Reading may fail, but it never gives other bytes; text written later is read again."""
        if harness.refuses_bytes and harness.bytes_options is None:
            return  # the test above shows that they are refused
        values = {"fine": b"text", "raw": NOT_TEXT}
        version = await driver.write(
            path, Payload(values), replacing=over(driver, NOTHING), write_tag=tag(), options=harness.bytes_options
        )
        try:
            snapshot = await reader.read(path)
        except CannotReadError:
            snapshot = None
        else:
            assert snapshot is not None
            assert dict(snapshot.payload) == values
        await shows(driver, path, version)
        version = await driver.write(path, Payload({"k": b"plain"}), replacing=over(driver, version), write_tag=tag())
        await holds(reader, path, version, {"k": b"plain"})

    async def test_every_path_is_a_place_of_its_own(self, driver: StoreDriver, reader: StoreDriver, path: Path) -> None:
        """Names that differ in case, in a dot or in where a slash is are different secrets."""
        places = [(*path[:-1], *each) for each in NEIGHBOURS]
        for number, place in enumerate(places):
            assert await driver.read_version(place) == NOTHING
            await driver.write(
                place, Payload({"k": str(number).encode()}), replacing=over(driver, NOTHING), write_tag=tag()
            )
        for number, place in enumerate(places):
            snapshot = await reader.read(place)
            assert snapshot is not None
            assert dict(snapshot.payload) == {"k": str(number).encode()}

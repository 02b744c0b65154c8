"""The promises of a store driver about values and about the places where they lie."""

from __future__ import annotations

import hashlib

import pytest

from monoskope.protocol.payload import Payload, encode
from monoskope.stores.driver import NOTHING, CannotReadError, StoreDriver, StoreRefusedError
from monoskope.testing.drivers.harness import (
    NEIGHBOURS,
    NOT_TEXT,
    TRICKY,
    DriverFixtures,
    Harness,
    Path,
    holds,
    over,
    shows,
    sized,
    tag,
)


class ValuePromises(DriverFixtures):
    """What is read is what was written, at a place that is no other secret's."""

    @pytest.mark.parametrize("name", TRICKY)
    async def test_bytes_come_back_as_they_went(
        self, harness: Harness, driver: StoreDriver, reader: StoreDriver, path: Path, name: str
    ) -> None:
        """Byte for byte, key for key; or they are refused, and nothing is written."""
        values = TRICKY[name]
        if name in harness.refused:
            with pytest.raises(StoreRefusedError):
                await driver.write(path, Payload(values), replacing=over(driver, NOTHING), write_tag=tag())
            assert await driver.read_version(path) == NOTHING
            return
        version = await driver.write(path, Payload(values), replacing=over(driver, NOTHING), write_tag=tag())
        await holds(reader, path, version, values)

    @pytest.mark.parametrize("filler", ["x", "<", "\x01"])
    async def test_the_largest_payload_always_fits(
        self, driver: StoreDriver, reader: StoreDriver, path: Path, filler: str
    ) -> None:
        """A payload of the announced size is taken and comes back, whatever characters an engine has to escape."""
        payload = sized(driver.capabilities.max_plaintext, filler.encode())
        assert len(encode(payload)) == driver.capabilities.max_plaintext
        version = await driver.write(path, payload, replacing=over(driver, NOTHING), write_tag=tag())
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

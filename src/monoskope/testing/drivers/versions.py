"""The promises of a store driver about versions and about replacing exactly one of them."""

from __future__ import annotations

import asyncio

import pytest

from monoskope.protocol.payload import Payload
from monoskope.stores.driver import NOTHING, StoreConflictError, StoreDriver, UnsupportedError
from monoskope.testing.drivers.harness import DriverFixtures, Harness, Path, holds, over, shows, tag


def lost(driver: StoreDriver) -> type[StoreConflictError | UnsupportedError]:
    """Return what a write that names another version than is there ends with."""
    return StoreConflictError if driver.capabilities.check_and_set else UnsupportedError


class VersionPromises(DriverFixtures):
    """Versions are unique, and a write replaces what it was to replace, or nothing."""

    async def test_nothing_is_where_nothing_was_written(
        self, driver: StoreDriver, reader: StoreDriver, path: Path
    ) -> None:
        """Neither at the path, nor above or below a secret."""
        assert await driver.read_version(path) == NOTHING
        assert await reader.read(path) is None
        await driver.write(path, Payload({"k": b"v"}), replacing=over(driver, NOTHING), write_tag=tag())
        assert await driver.read_version(path[:-1]) == NOTHING
        assert await driver.read_version((*path, "below")) == NOTHING

    async def test_a_write_becomes_the_current_version(
        self, driver: StoreDriver, second: StoreDriver, path: Path
    ) -> None:
        """For this driver and for every other one."""
        version = await driver.write(path, Payload({"k": b"v"}), replacing=over(driver, NOTHING), write_tag=tag())
        assert version != NOTHING
        await shows(driver, path, version)
        await shows(second, path, version)

    async def test_no_version_is_given_twice(self, driver: StoreDriver, path: Path) -> None:
        """Not even for equal content, nor for two looks at what has no version."""
        versions = [NOTHING]
        for _ in range(5):
            replacing = over(driver, versions[-1])
            versions.append(await driver.write(path, Payload({"k": b"v"}), replacing=replacing, write_tag=tag()))
        if not driver.capabilities.versions:
            versions += [await driver.read_version(path) for _ in range(3)]
        assert len(set(versions)) == len(versions)

    async def test_a_deleted_secret_is_nothing_and_its_versions_never_return(
        self, harness: Harness, driver: StoreDriver, reader: StoreDriver, path: Path
    ) -> None:
        """After an administrator removed it, it can be made anew, and old versions do not match."""
        old = [await driver.write(path, Payload({"k": b"v"}), replacing=over(driver, NOTHING), write_tag=tag())]
        old.append(await driver.write(path, Payload({"k": b"w"}), replacing=over(driver, old[0]), write_tag=tag()))
        await harness.delete(path)
        assert await driver.read_version(path) == NOTHING
        assert await reader.read(path) is None
        for version in old:
            with pytest.raises(lost(driver)):
                await driver.write(path, Payload({"k": b"x"}), replacing=version, write_tag=tag())
        for _ in old:
            current = over(driver, await driver.read_version(path))
            new = await driver.write(path, Payload({"k": b"x"}), replacing=current, write_tag=tag())
            assert new not in old
            await shows(driver, path, new)
        for version in old:
            with pytest.raises(lost(driver)):
                await driver.write(path, Payload({"k": b"y"}), replacing=version, write_tag=tag())

    async def test_nothing_is_replaced_only_where_nothing_is(
        self, driver: StoreDriver, reader: StoreDriver, path: Path
    ) -> None:
        """The value that is there stays."""
        version = await driver.write(path, Payload({"k": b"first"}), replacing=over(driver, NOTHING), write_tag=tag())
        with pytest.raises(lost(driver)):
            await driver.write(path, Payload({"k": b"second"}), replacing=NOTHING, write_tag=tag())
        await holds(reader, path, version, {"k": b"first"})

    async def test_a_stale_version_is_not_replaced(
        self, driver: StoreDriver, second: StoreDriver, reader: StoreDriver, path: Path
    ) -> None:
        """Not by the driver that wrote the newer one, nor by another."""
        first = await driver.write(path, Payload({"k": b"1"}), replacing=over(driver, NOTHING), write_tag=tag())
        version = await second.write(path, Payload({"k": b"2"}), replacing=over(driver, first), write_tag=tag())
        for each in (driver, second):
            with pytest.raises(lost(each)):
                await each.write(path, Payload({"k": b"3"}), replacing=first, write_tag=tag())
        await holds(reader, path, version, {"k": b"2"})

    async def test_a_version_that_never_was_is_not_replaced(self, driver: StoreDriver, path: Path) -> None:
        """Neither one of another path, nor one yet to come, nor any other text."""
        other = (*path, "other")
        foreign = NOTHING
        for _ in range(3):
            replacing = over(driver, foreign)
            foreign = await driver.write(other, Payload({"k": b"v"}), replacing=replacing, write_tag=tag())
        invented = [foreign, "1", "999", "nonsense", "1@2", f"{foreign}0"]
        for version in invented:
            with pytest.raises(lost(driver)):
                await driver.write(path, Payload({"k": b"v"}), replacing=version, write_tag=tag())
        assert await driver.read_version(path) == NOTHING
        current = await driver.write(path, Payload({"k": b"v"}), replacing=over(driver, NOTHING), write_tag=tag())
        for version in invented:
            with pytest.raises(lost(driver)):
                await driver.write(path, Payload({"k": b"w"}), replacing=version, write_tag=tag())
        await shows(driver, path, current)

    async def test_what_others_wrote_is_seen_and_can_be_replaced(
        self, harness: Harness, driver: StoreDriver, reader: StoreDriver, path: Path
    ) -> None:
        """A foreign value has a version like any other."""
        mine = await driver.write(path, Payload({"k": b"mine"}), replacing=over(driver, NOTHING), write_tag=tag())
        await harness.foreign_write(path, {"k": "theirs"})
        theirs = await driver.read_version(path)
        assert theirs not in {mine, NOTHING}
        await holds(reader, path, theirs, {"k": b"theirs"})
        with pytest.raises(lost(driver)):
            await driver.write(path, Payload({"k": b"again"}), replacing=mine, write_tag=tag())
        version = await driver.write(path, Payload({"k": b"again"}), replacing=over(driver, theirs), write_tag=tag())
        await holds(reader, path, version, {"k": b"again"})

    async def test_none_replaces_whatever_is_there(self, driver: StoreDriver, reader: StoreDriver, path: Path) -> None:
        """Nothing, or a version; the whole secret is replaced, not merged."""
        await driver.write(path, Payload({"a": b"1", "b": b"2"}), replacing=None, write_tag=tag())
        version = await driver.write(path, Payload({"b": b"3"}), replacing=None, write_tag=tag())
        await holds(reader, path, version, {"b": b"3"})

    @pytest.mark.parametrize("start", ["nothing", "a version"])
    async def test_one_of_many_writers_wins(
        self, driver: StoreDriver, second: StoreDriver, reader: StoreDriver, path: Path, start: str
    ) -> None:
        """Exactly one, all others learn that they lost, and the winner's value is there.

        Without check-and-set all write, and what is there in the end is one of the values, whole.
        """
        before = NOTHING
        if start == "a version":
            before = await driver.write(
                path, Payload({"k": b"before"}), replacing=over(driver, NOTHING), write_tag=tag()
            )

        async def attempt(number: int) -> str | None:
            writer, payload = (driver, second)[number % 2], Payload({"k": str(number).encode()})
            try:
                return await writer.write(path, payload, replacing=over(writer, before), write_tag=tag())
            except StoreConflictError:
                return None

        outcomes = await asyncio.gather(*(attempt(number) for number in range(12)))
        winners = [(number, version) for number, version in enumerate(outcomes) if version is not None]
        if driver.capabilities.check_and_set:
            assert len(winners) == 1
            await holds(reader, path, winners[0][1], {"k": str(winners[0][0]).encode()})
            return
        assert len({version for _, version in winners}) == len(winners)
        snapshot = await reader.read(path)
        assert snapshot is not None
        assert snapshot.payload["k"] in {str(number).encode() for number, _ in winners}

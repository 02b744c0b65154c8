"""The promises of a store driver about bringing back what was there; without the capabilities, that it says so."""

from __future__ import annotations

import pytest

from monoskope.protocol.payload import Payload
from monoskope.stores.driver import NOTHING, DeletedVersion, StoreConflictError, StoreDriver, UnsupportedError
from monoskope.testing.drivers.harness import DriverFixtures, Path, holds, over, shows, tag

FIRST, SECOND = {"k": b"1"}, {"k": "Grüße".encode()}


async def _two(driver: StoreDriver, path: Path) -> list[str]:
    """Write two versions at `path` and return them."""
    first = await driver.write(path, Payload(FIRST), replacing=over(driver, NOTHING), write_tag=tag())
    return [first, await driver.write(path, Payload(SECOND), replacing=over(driver, first), write_tag=tag())]


async def _deleted(driver: StoreDriver, path: Path) -> DeletedVersion:
    """Delete what is at `path` and return what could come back."""
    await driver.delete(path, replacing=over(driver, await driver.read_version(path)), destroy=False)
    found = await driver.deleted_version(path)
    assert found is not None
    return found


def _undeletes(driver: StoreDriver) -> bool:
    """Whether the driver undeletes, and can delete so that there is something to undelete."""
    return driver.capabilities.undeletable and driver.capabilities.soft_delete


class RestorationPromises(DriverFixtures):
    """Exactly what was deleted comes back, where nothing is; an earlier version is read as it was written."""

    async def test_without_the_capabilities_nothing_comes_back(self, driver: StoreDriver, path: Path) -> None:
        """And with them, it is none of those refusals."""
        version, _ = await _two(driver, path)
        if not driver.capabilities.undeletable:
            with pytest.raises(UnsupportedError):
                await driver.deleted_version(path)
            with pytest.raises(UnsupportedError):
                await driver.undelete(path, DeletedVersion(version), write_tag=tag())
        if not driver.capabilities.rollbackable:
            with pytest.raises(UnsupportedError):
                await driver.read_at(path, version)

    async def test_an_engine_that_rolls_back_can_be_read(self, driver: StoreDriver) -> None:
        """Since what is written again is read before."""
        assert driver.capabilities.readable or not driver.capabilities.rollbackable

    async def test_what_was_deleted_comes_back(
        self, driver: StoreDriver, second: StoreDriver, reader: StoreDriver, path: Path
    ) -> None:
        """Byte for byte, for every replica, under its version or a new one; then there is nothing to bring back."""
        if not _undeletes(driver):
            return
        old, last = await _two(driver, path)
        deleted, write_tag = await _deleted(driver, path), tag()
        assert deleted.version == last
        version = await driver.undelete(path, deleted, write_tag=write_tag)
        assert version not in {NOTHING, old}
        await shows(driver, path, version)
        await shows(second, path, version)
        await holds(reader, path, version, SECOND)
        assert await driver.deleted_version(path) is None
        if driver.capabilities.write_tag and version != last:
            assert await driver.find(path, write_tag) == version
        new = await second.write(path, Payload(FIRST), replacing=over(driver, version), write_tag=tag())
        await holds(reader, path, new, FIRST)

    async def test_a_deletion_can_be_told_from_a_later_one(
        self, driver: StoreDriver, second: StoreDriver, path: Path
    ) -> None:
        """What was asked of the earlier one brings nothing back that was deleted again."""
        if not _undeletes(driver):
            return
        await _two(driver, path)
        before = await _deleted(driver, path)
        await second.undelete(path, before, write_tag=tag())
        assert await _deleted(second, path) != before
        with pytest.raises(StoreConflictError):
            await driver.undelete(path, before, write_tag=tag())
        assert await driver.read_version(path) == NOTHING

    async def test_nothing_comes_back_where_something_is(
        self, driver: StoreDriver, reader: StoreDriver, path: Path
    ) -> None:
        """What is there stays; and after another deletion it is that version which comes back."""
        if not _undeletes(driver):
            return
        await _two(driver, path)
        before = await _deleted(driver, path)
        version = await driver.write(path, Payload(FIRST), replacing=over(driver, NOTHING), write_tag=tag())
        assert await driver.deleted_version(path) is None
        with pytest.raises(StoreConflictError):
            await driver.undelete(path, before, write_tag=tag())
        await holds(reader, path, version, FIRST)
        assert (await _deleted(driver, path)).version == version
        with pytest.raises(StoreConflictError):
            await driver.undelete(path, before, write_tag=tag())
        assert await driver.read_version(path) == NOTHING

    async def test_what_never_was_or_was_erased_does_not_come_back(self, driver: StoreDriver, path: Path) -> None:
        """Neither at the path nor beside it."""
        if not _undeletes(driver):
            return
        assert await driver.deleted_version(path) is None
        with pytest.raises(StoreConflictError):
            await driver.undelete(path, DeletedVersion("nonsense"), write_tag=tag())
        await _two(driver, path)
        deleted = await _deleted(driver, path)
        for beside in (path[:-1], (*path, "below")):
            assert await driver.deleted_version(beside) is None
            with pytest.raises(StoreConflictError):
                await driver.undelete(beside, deleted, write_tag=tag())
        if driver.capabilities.deletable:
            version = await driver.undelete(path, deleted, write_tag=tag())
            await driver.delete(path, replacing=over(driver, version), destroy=True)
            assert await driver.deleted_version(path) is None
        assert await driver.read_version(path) == NOTHING

    async def test_an_earlier_version_is_read_and_can_be_written_again(
        self, driver: StoreDriver, second: StoreDriver, reader: StoreDriver, path: Path
    ) -> None:
        """As a new version; the one that is there can be read by its name, too."""
        if not driver.capabilities.rollbackable:
            return
        old, last = await _two(driver, path)
        found = await second.read_at(path, old)
        assert found is not None
        assert (found.version, dict(found.payload)) == (old, FIRST)
        current = await driver.read_at(path, last)
        assert current is not None
        assert dict(current.payload) == SECOND
        version = await driver.write(path, found.payload, replacing=over(driver, last), write_tag=tag())
        assert version not in {old, last}
        await holds(reader, path, version, FIRST)

    async def test_what_is_no_version_of_this_place_is_not_read(self, driver: StoreDriver, path: Path) -> None:
        """Whatever text is asked for, and whatever a neighbour holds; nor what was deleted."""
        if not driver.capabilities.rollbackable:
            return
        beside = (*path, "below")
        foreign = (await _two(driver, beside))[0]
        assert await driver.read_at(path, foreign) is None
        old, last = await _two(driver, path)
        for text in ("nonsense", "1", "0", "-1", "1@", f"{old}x", old.partition("@")[0], "9" * 200, "~" * 256, "%2e&@"):
            assert await driver.read_at(path, text) is None
        if driver.capabilities.soft_delete:
            await driver.delete(path, replacing=over(driver, last), destroy=False)
            assert await driver.read_at(path, last) is None

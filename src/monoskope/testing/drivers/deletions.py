"""The promises of a store driver about deleting; without the capability, that it says so and deletes nothing."""

from __future__ import annotations

import pytest

from monoskope.protocol.payload import Payload
from monoskope.stores.driver import NOTHING, StoreConflictError, StoreDriver, UnsupportedError
from monoskope.testing.drivers.harness import DriverFixtures, Path, holds, over, tag
from monoskope.testing.drivers.versions import lost

BOTH = pytest.mark.parametrize("destroy", [False, True], ids=["soft", "destroy"])


def _able(driver: StoreDriver, *, destroy: bool) -> bool:
    return driver.capabilities.deletable if destroy else driver.capabilities.soft_delete


class DeletionPromises(DriverFixtures):
    """What is deleted is gone, its version never returns, and nothing else is touched."""

    @BOTH
    async def test_what_is_deleted_is_nothing_and_can_be_made_anew(
        self, driver: StoreDriver, second: StoreDriver, reader: StoreDriver, path: Path, *, destroy: bool
    ) -> None:
        """For every driver; versions before it do not match any more and are not given again."""
        old = [await driver.write(path, Payload({"k": b"1"}), replacing=over(driver, NOTHING), write_tag=tag())]
        old.append(await driver.write(path, Payload({"k": b"2"}), replacing=over(driver, old[0]), write_tag=tag()))
        if not _able(driver, destroy=destroy):
            with pytest.raises(UnsupportedError):
                await driver.delete(path, replacing=over(driver, old[1]), destroy=destroy)
            await holds(reader, path, old[1], {"k": b"2"})
            return
        await driver.delete(path, replacing=over(driver, old[1]), destroy=destroy)
        assert await driver.read_version(path) == await second.read_version(path) == NOTHING
        assert await reader.read(path) is None
        for version in old:
            with pytest.raises(lost(driver)):
                await driver.write(path, Payload({"k": b"3"}), replacing=version, write_tag=tag())
        new = await second.write(path, Payload({"k": b"3"}), replacing=over(driver, NOTHING), write_tag=tag())
        assert new not in old
        await holds(reader, path, new, {"k": b"3"})

    @BOTH
    async def test_another_version_or_nothing_is_a_conflict(
        self, driver: StoreDriver, reader: StoreDriver, path: Path, *, destroy: bool
    ) -> None:
        """What is there stays, and what is not there cannot be deleted."""
        able = _able(driver, destroy=destroy)
        with pytest.raises(StoreConflictError if able else UnsupportedError):
            await driver.delete(path, replacing=None, destroy=destroy)
        error = lost(driver) if able else UnsupportedError
        for replacing in ("nonsense", NOTHING):
            with pytest.raises(error):
                await driver.delete(path, replacing=replacing, destroy=destroy)
        first = await driver.write(path, Payload({"k": b"1"}), replacing=over(driver, NOTHING), write_tag=tag())
        version = await driver.write(path, Payload({"k": b"2"}), replacing=over(driver, first), write_tag=tag())
        for replacing in (first, "nonsense", NOTHING):
            with pytest.raises(error):
                await driver.delete(path, replacing=replacing, destroy=destroy)
        await holds(reader, path, version, {"k": b"2"})

    @BOTH
    async def test_none_deletes_whatever_is_there_and_only_there(
        self, driver: StoreDriver, reader: StoreDriver, path: Path, *, destroy: bool
    ) -> None:
        """Neither above nor below."""
        below, above = (*path, "below"), path[:-1]
        versions = {}
        for each in (path, below, above):
            replacing = over(driver, NOTHING)
            versions[each] = await driver.write(each, Payload({"k": b"v"}), replacing=replacing, write_tag=tag())
        if not _able(driver, destroy=destroy):
            with pytest.raises(UnsupportedError):
                await driver.delete(path, replacing=None, destroy=destroy)
            return
        await driver.delete(path, replacing=None, destroy=destroy)
        assert await driver.read_version(path) == NOTHING
        with pytest.raises(StoreConflictError):
            await driver.delete(path, replacing=None, destroy=destroy)
        for each in (below, above):
            await holds(reader, each, versions[each], {"k": b"v"})

"""The promises of a store driver about deleting and listing; one that can do neither says so and does nothing."""

from __future__ import annotations

import pytest

from monoskope.protocol.payload import Payload
from monoskope.stores.driver import NOTHING, StoreConflictError, StoreDriver, UnsupportedError
from monoskope.testing.drivers.harness import DriverFixtures, Harness, Path, holds, over, tag
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


async def _write(driver: StoreDriver, *paths: Path) -> None:
    for path in paths:
        await driver.write(path, Payload({"k": b"v"}), replacing=over(driver, NOTHING), write_tag=tag())


async def _listed(driver: StoreDriver, path: Path) -> tuple[set[str], set[str]]:
    found = await driver.list_names(path)
    return set(found.names), set(found.folders)


async def _lists_nothing(driver: StoreDriver, path: Path) -> bool:
    """Whether the driver does not announce that it lists; assert that it refuses then."""
    if driver.capabilities.listable:
        return False
    with pytest.raises(UnsupportedError):
        await driver.list_names(path)
    return True


class ListingPromises(DriverFixtures):
    """A driver that does not announce it refuses, and nothing else is asked of it."""

    async def test_names_directly_below_are_listed_and_only_those(self, driver: StoreDriver, path: Path) -> None:
        """Not what lies deeper, beside or above; a name can be a secret's and a folder's."""
        base = (*path[:-1], "listed")
        if await _lists_nothing(driver, base):
            return
        await _write(driver, base, (*base, "db"), (*base, "web"), (*base, "web", "tls", "key"), (*base, "A.b_c-d"))
        await _write(driver, (*path[:-1], "listed2"), (*path[:-1], "beside", "db"))
        assert await _listed(driver, base) == ({"db", "web", "A.b_c-d"}, {"web"})
        assert await _listed(driver, (*base, "web")) == (set(), {"tls"})
        assert await _listed(driver, (*base, "web", "tls")) == ({"key"}, set())
        names, folders = await _listed(driver, path[:-1])
        assert {"listed", "listed2"} <= names
        assert {"listed", "beside"} <= folders

    async def test_where_nothing_is_nothing_is_listed(self, driver: StoreDriver, path: Path) -> None:
        """Below a path where nothing is, and below a secret with nothing below it."""
        if await _lists_nothing(driver, path[:-1]):
            return
        assert await _listed(driver, (*path, "nowhere")) == (set(), set())
        await _write(driver, path)
        assert await _listed(driver, path) == (set(), set())

    async def test_what_others_wrote_is_listed(self, driver: StoreDriver, harness: Harness, path: Path) -> None:
        """That is what it is for: to find what can be imported."""
        if await _lists_nothing(driver, path[:-1]):
            return
        await harness.foreign_write(path, {"k": "theirs"})
        names, _ = await _listed(driver, path[:-1])
        assert path[-1] in names

    async def test_what_is_gone_for_good_is_not_listed(self, driver: StoreDriver, harness: Harness, path: Path) -> None:
        """After a deletion as thorough as the engine allows; what can be brought back may stay."""
        if await _lists_nothing(driver, path[:-1]):
            return
        await _write(driver, path)
        await harness.delete(path)
        names, _ = await _listed(driver, path[:-1])
        assert path[-1] not in names

    async def test_every_name_of_a_folder_is_listed(self, driver: StoreDriver, path: Path) -> None:
        """Also where the engine gives them in parts, as far as a few show that."""
        if await _lists_nothing(driver, path[:-1]):
            return
        many = [f"n{number:03}" for number in range(12)]
        await _write(driver, *[(*path[:-1], "many", name) for name in many])
        assert await _listed(driver, (*path[:-1], "many")) == (set(many), set())

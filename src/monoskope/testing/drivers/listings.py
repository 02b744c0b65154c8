"""What is promised about listing names, by drivers that announce it."""

from __future__ import annotations

import pytest

from monoskope.protocol.payload import Payload
from monoskope.stores.driver import NOTHING, StoreDriver, UnsupportedError
from monoskope.testing.drivers.harness import DriverFixtures, Harness, Path, over, tag


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

"""The promises of a store driver about patching; without the capability, that it says so and writes nothing."""

from __future__ import annotations

import pytest

from monoskope.protocol.payload import Payload
from monoskope.stores.driver import NOTHING, StoreConflictError, StoreDriver, StoreRefusedError, UnsupportedError
from monoskope.testing.drivers.harness import (
    TRICKY,
    DriverFixtures,
    Harness,
    Path,
    each_tricky,
    holds,
    over,
    shows,
    tag,
    told,
)
from monoskope.testing.drivers.versions import lost

BEFORE = {"a": b"1", "b": b"2", "c": b"3"}

PATCHES: dict[str, tuple[dict[str, bytes], list[str], dict[str, bytes]]] = {
    "set": ({"b": b"9"}, [], {"a": b"1", "b": b"9", "c": b"3"}),
    "add": ({"d": b""}, [], {**BEFORE, "d": b""}),
    "remove": ({}, ["a", "c"], {"b": b"2"}),
    "both": ({"a": b"9", "d": b"4"}, ["b"], {"a": b"9", "c": b"3", "d": b"4"}),
    "remove nothing": ({}, ["not-there"], BEFORE),
    "replace all": ({"z": b"26"}, ["a", "b", "c"], {"z": b"26"}),
}
"""What is set and removed where `BEFORE` is, and what is there then."""


async def _put(driver: StoreDriver, path: Path, values: dict[str, bytes]) -> str:
    return await driver.write(path, Payload(values), replacing=over(driver, NOTHING), write_tag=tag())


class PatchPromises(DriverFixtures):
    """What is named changes, in one new version; what is not named stays, byte for byte."""

    async def test_without_the_capability_a_patch_is_unsupported(
        self, driver: StoreDriver, reader: StoreDriver, path: Path
    ) -> None:
        """And with it, it is none of those refusals."""
        version = await _put(driver, path, BEFORE)
        if driver.capabilities.patchable:
            await driver.patch(path, Payload({"a": b"9"}), [], replacing=over(driver, version), write_tag=tag())
            return
        with pytest.raises(UnsupportedError):
            await driver.patch(path, Payload({"a": b"9"}), [], replacing=over(driver, version), write_tag=tag())
        await holds(reader, path, version, BEFORE)

    async def test_a_patch_changes_what_it_names(
        self, driver: StoreDriver, second: StoreDriver, reader: StoreDriver, path: Path
    ) -> None:
        """For every replica that looks, as a version that never was."""
        if not driver.capabilities.patchable:
            return
        for number, (name, (changes, remove, after)) in enumerate(PATCHES.items()):
            place = (*path[:-1], f"patched-{number}")
            with told(name):
                before = await _put(driver, place, BEFORE)
                changed = Payload(changes) if changes else None
                version = await driver.patch(place, changed, remove, replacing=over(driver, before), write_tag=tag())
                assert version != before
                await shows(second, place, version)
                await holds(reader, place, version, after)

    async def test_what_is_not_named_stays_byte_for_byte(
        self, driver: StoreDriver, reader: StoreDriver, path: Path
    ) -> None:
        """Whatever bytes it holds, and so do the bytes that are set."""
        if not driver.capabilities.patchable:
            return
        new = Payload({"new": b"x"})
        for name, place in each_tricky(path):
            with told(name):
                kept = dict(list(TRICKY[name].items())[:63])
                before = await _put(driver, place, kept)
                after = await driver.patch(place, new, [], replacing=over(driver, before), write_tag=tag())
                await holds(reader, place, after, {**kept, "new": b"x"})
                last = await driver.patch(place, Payload(kept), ["new"], replacing=over(driver, after), write_tag=tag())
                await holds(reader, place, last, kept)

    async def test_another_version_or_nothing_is_a_conflict_for_a_patch(
        self, driver: StoreDriver, reader: StoreDriver, path: Path
    ) -> None:
        """What is there stays, and nothing is made where nothing was."""
        able = driver.capabilities.patchable
        with pytest.raises(StoreConflictError if able else UnsupportedError):
            await driver.patch(path, Payload({"a": b"9"}), [], replacing=None, write_tag=tag())
        error = lost(driver) if able else UnsupportedError
        for replacing in ("nonsense", NOTHING):
            with pytest.raises(error):
                await driver.patch(path, Payload({"a": b"9"}), [], replacing=replacing, write_tag=tag())
        assert await driver.read_version(path) == NOTHING
        first = await _put(driver, path, BEFORE)
        version = await driver.write(path, Payload(BEFORE), replacing=over(driver, first), write_tag=tag())
        for replacing in (first, "nonsense", NOTHING):
            with pytest.raises(error):
                await driver.patch(path, Payload({"a": b"9"}), ["b"], replacing=replacing, write_tag=tag())
        await holds(reader, path, version, BEFORE)

    async def test_none_patches_whatever_is_there_and_only_there(
        self, harness: Harness, driver: StoreDriver, reader: StoreDriver, path: Path
    ) -> None:
        """Also what others wrote; neither above nor below."""
        if not driver.capabilities.patchable:
            return
        below, above = (*path, "below"), path[:-1]
        versions = {each: await _put(driver, each, BEFORE) for each in (below, above)}
        await harness.foreign_write(path, {"a": "1", "b": "2"})
        version = await driver.patch(path, Payload({"a": b"9"}), [], replacing=None, write_tag=tag())
        await holds(reader, path, version, {"a": b"9", "b": b"2"})
        for each in (below, above):
            await holds(reader, each, versions[each], BEFORE)

    async def test_what_is_gone_cannot_be_patched(self, harness: Harness, driver: StoreDriver, path: Path) -> None:
        """Nor does a patch bring it back."""
        if not driver.capabilities.patchable:
            return
        version = await _put(driver, path, BEFORE)
        await harness.delete(path)
        for replacing, error in ((version, lost(driver)), (None, StoreConflictError)):
            with pytest.raises(error):
                await driver.patch(path, Payload({"a": b"9"}), [], replacing=replacing, write_tag=tag())
        assert await driver.read_version(path) == NOTHING

    async def test_a_patch_is_found_by_its_tag(self, driver: StoreDriver, path: Path) -> None:
        """Where the engine keeps tags."""
        if not (driver.capabilities.patchable and driver.capabilities.write_tag):
            return
        before, own = await _put(driver, path, BEFORE), tag()
        version = await driver.patch(path, None, ["a"], replacing=over(driver, before), write_tag=own)
        assert await driver.find(path, own) == version

    async def test_a_patch_with_options_that_are_not_its_own_is_refused(
        self, harness: Harness, driver: StoreDriver, reader: StoreDriver, path: Path
    ) -> None:
        """Nothing is written."""
        version = await _put(driver, path, BEFORE)
        with pytest.raises(StoreRefusedError):
            await driver.patch(
                path,
                Payload({"a": b"9"}),
                [],
                replacing=over(driver, version),
                write_tag=tag(),
                options=harness.bad_options,
            )
        await holds(reader, path, version, BEFORE)

"""The suite that every store driver must pass: each promise of `monoskope.stores.driver`, as a test.

Say how your engine is reached in a `Harness` (`monoskope.testing.drivers.harness`), then subclass the suite:

    class TestMyStore(StoreDriverContract):
        @pytest.fixture
        def harness(self) -> Harness:
            return MyHarness()

It needs pytest and pytest-asyncio (extra `testing`).
"""

from __future__ import annotations

import logging
import secrets

import pytest

from monoskope.errors import UsageError
from monoskope.protocol.payload import MAX_PADDED, MIN_PADDED, Payload
from monoskope.reactor.link.endpoint import announced
from monoskope.stores.driver import (
    NOTHING,
    CannotReadError,
    DriverError,
    StoreDriver,
    StoreRefusedError,
    StoreUnavailableError,
    UnsupportedError,
)
from monoskope.testing.drivers.deletions import DeletionPromises, ListingPromises
from monoskope.testing.drivers.harness import NEIGHBOURS, NOT_TEXT, Harness, Path, over, shows, tag
from monoskope.testing.drivers.patches import PatchPromises
from monoskope.testing.drivers.refusals import RefusalPromises
from monoskope.testing.drivers.restorations import RestorationPromises
from monoskope.testing.drivers.values import ValuePromises
from monoskope.testing.drivers.versions import VersionPromises


class StoreDriverContract(
    VersionPromises,
    ValuePromises,
    RefusalPromises,
    DeletionPromises,
    PatchPromises,
    RestorationPromises,
    ListingPromises,
):
    """Subclass this with a fixture `harness`. Tests use new paths, so the engine may be kept between them."""

    async def test_capabilities_are_within_the_protocol(self, driver: StoreDriver) -> None:
        """The largest payload is a padded size; what has no versions cannot compare them; m8 would take all of it."""
        size = driver.capabilities.max_plaintext
        assert MIN_PADDED <= size <= MAX_PADDED
        assert size & (size - 1) == 0
        assert driver.capabilities.versions or not driver.capabilities.check_and_set
        # It raises, in a sentence, for more than a reactor may announce, and for references and patterns in a schema.
        announced(driver.capabilities)

    async def test_the_readable_flag_is_honest(self, driver: StoreDriver, path: Path) -> None:
        """A driver that says it can read does; one that says it cannot refuses as the interface says."""
        version = await driver.write(path, Payload({"k": b"v"}), replacing=over(driver, NOTHING), write_tag=tag())
        if driver.capabilities.readable:
            snapshot = await driver.read(path)
            assert snapshot is not None
            assert snapshot.version == version or not driver.capabilities.versions
            assert dict(snapshot.payload) == {"k": b"v"}
        else:
            with pytest.raises(CannotReadError):
                await driver.read(path)

    async def test_the_tag_flag_is_honest(self, driver: StoreDriver, path: Path) -> None:
        """With the capability a write is found by its tag, and no other is; without it `find` says so."""
        tags = [tag(), tag()]
        first = await driver.write(path, Payload({"k": b"1"}), replacing=over(driver, NOTHING), write_tag=tags[0])
        second = await driver.write(path, Payload({"k": b"2"}), replacing=over(driver, first), write_tag=tags[1])
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
                path,
                Payload({"k": b"v"}),
                replacing=over(driver, NOTHING),
                write_tag=tag(),
                options=harness.bad_options,
            )
        assert await driver.read_version(path) == NOTHING

    async def test_no_options_are_fine(self, harness: Harness, driver: StoreDriver, path: Path) -> None:
        """Every path of the grammar passes without options, or with the driver's own."""
        for each in [path, *NEIGHBOURS]:
            driver.check(each, None)
            driver.check(each, harness.bytes_options)

    async def test_an_engine_that_is_away_is_unavailable(
        self, harness: Harness, driver: StoreDriver, path: Path
    ) -> None:
        """Nothing is written meanwhile, and the same driver works again when the engine is back."""
        if not harness.goes_away:
            pytest.skip("the engine would have to be taken down")
        looks = await driver.health()
        assert looks or type(driver).health is StoreDriver.health, "what looks says that it did"
        await harness.take_down()
        try:
            if looks:
                with pytest.raises(StoreUnavailableError):
                    await driver.health()
            if driver.capabilities.listable:
                with pytest.raises(StoreUnavailableError):
                    await driver.list_names(path[:-1])
            with pytest.raises(StoreUnavailableError):
                await driver.read_version(path)
            with pytest.raises(StoreUnavailableError):
                await driver.write(path, Payload({"k": b"v"}), replacing=over(driver, NOTHING), write_tag=tag())
        finally:
            await harness.bring_up()
        assert await driver.read_version(path) == NOTHING
        assert await driver.write(path, Payload({"k": b"v"}), replacing=over(driver, NOTHING), write_tag=tag())

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
        if harness.goes_away:
            await harness.take_down()
        try:
            seen += await _complaints(driver, path, payload, harness.bytes_options)
        finally:
            if harness.goes_away:
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
        version = await other.write(path, Payload({"k": b"v"}), replacing=over(driver, NOTHING), write_tag=tag())
        await other.close()
        await shows(driver, path, version)


async def _complaints(driver: StoreDriver, path: Path, payload: Payload, options: object | None) -> list[str]:
    """Make the driver fail in several ways, or succeed; return all that it said."""
    said: list[str] = []
    for remove in (None, ["gone"]):
        try:
            driver.check_payload(path, payload, remove=remove, options=options)
        except DriverError as error:
            said += _everything(error)
    for replacing in (NOTHING, NOTHING, "nonsense", None):
        try:
            said.append(await driver.write(path, payload, replacing=replacing, write_tag=tag(), options=options))
        except (DriverError, UsageError) as error:
            said += _everything(error)
        try:
            said.append(await driver.patch(path, payload, [], replacing=replacing, write_tag=tag(), options=options))
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

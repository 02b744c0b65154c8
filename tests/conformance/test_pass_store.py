"""The driver `pass` against the suite with real GnuPG: readable, write-only, and in a git repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from monoskope.stores.password_store.config import PassConfig
from monoskope.testing.drivers import StoreDriverContract
from monoskope.testing.drivers.deletions import DeletionPromises, ListingPromises
from monoskope.testing.drivers.harness import Harness
from monoskope.testing.drivers.refusals import RefusalPromises
from monoskope.testing.drivers.restorations import RestorationPromises
from monoskope.testing.drivers.values import ValuePromises
from monoskope.testing.drivers.versions import VersionPromises
from monoskope.testing.engines.gnupg import Keys
from tests.conformance.pass_harness import PassHarness


class TestReadable(StoreDriverContract):
    @pytest.fixture
    def harness(self, gnupg: Keys, tmp_path: Path) -> Harness:
        return PassHarness(gnupg, tmp_path, readable=True)


class TestWriteOnly(VersionPromises):
    """What differs where nothing can be read; `make soak` runs the whole suite."""

    test_the_readable_flag_is_honest = StoreDriverContract.test_the_readable_flag_is_honest

    @pytest.fixture
    def harness(self, gnupg: Keys, tmp_path: Path) -> Harness:
        return PassHarness(gnupg, tmp_path, readable=False)


@pytest.mark.soak
class TestAllOfWriteOnly(TestWriteOnly, StoreDriverContract):
    """The whole suite."""


class TestGit(VersionPromises, DeletionPromises, RestorationPromises, ListingPromises):
    """What a commit for each change could break: the bytes in a file are those of the classes above.

    `make soak` runs the whole suite.
    """

    test_every_path_is_a_place_of_its_own = ValuePromises.test_every_path_is_a_place_of_its_own
    test_an_engine_that_is_away_is_unavailable = StoreDriverContract.test_an_engine_that_is_away_is_unavailable
    test_no_value_shows_in_a_message_or_a_log = StoreDriverContract.test_no_value_shows_in_a_message_or_a_log

    @pytest.fixture
    def harness(self, gnupg: Keys, tmp_path: Path) -> Harness:
        return PassHarness(gnupg, tmp_path, readable=True, git=True)


@pytest.mark.soak
class TestAllOfGit(TestGit, StoreDriverContract):
    """The whole suite."""


class RawHarness(PassHarness):
    def config(self, **changes: object) -> PassConfig:
        return super().config(layout="raw", raw_key="k", **changes)


class TestRawLayout(RefusalPromises):
    @pytest.fixture
    def harness(self, gnupg: Keys, tmp_path: Path) -> Harness:
        return RawHarness(gnupg, tmp_path, readable=True)

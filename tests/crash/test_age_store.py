"""The store of age files under a reactor that dies, a disk that is full, and a second replica on the same files."""

from __future__ import annotations

import pytest

from tests.crash.breaking import Crash, dies
from tests.crash.test_time_and_disk import full_disk

FOLDER = "reactor-local"


@pytest.fixture(autouse=True)
def store(local: Crash) -> None:
    """There is one."""


@pytest.mark.parametrize("place", ["before-write", "after-write"])
def test_a_reactor_that_dies_around_its_write_costs_no_secret_and_writes_once(
    crash: Crash, local: Crash, place: str
) -> None:
    part = crash.reactor(f"reactor.{place}=kill", folder=FOLDER)
    put = crash.put(uri=crash.uri("local"), background=True)
    dies(part)
    crash.reactor(folder=FOLDER)
    crash.check(put, 0)
    assert crash.versions(put) == 1


def test_a_full_disk_takes_nothing_and_says_so(crash: Crash, local: Crash) -> None:
    reactor = crash.cluster.reactors[FOLDER]
    before = crash.put(uri=crash.uri("local"))
    noted = [reactor.log, reactor.log.parent / "audit.jsonl"]
    with full_disk(reactor, noted, room=16_384):
        full = crash.put(uri=before.uri, value="x" * 65_536)
    ran = crash.check_all(before, full)[1]
    assert (ran.code, "UPSTREAM_UNAVAILABLE" in ran.err) == (7, True)
    crash.check_all(before, crash.put(uri=before.uri))
    assert crash.versions(before) == 2

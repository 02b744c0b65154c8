"""A wrong clock of m8's, and full disks: m8's and the reactor's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monoskope.testing.parts import wait_until
from tests.crash.breaking import STORES, Crash
from tests.faults.processes import wake
from tests.faults.table import FAULTS


@pytest.mark.soak
def test_a_clock_that_jumps_ahead_and_back_ends_nothing_early_and_nothing_never(crash: Crash) -> None:
    crash.m8("m8.clock=shift+600@40")
    crash.reactor_is_back()
    crash.check(crash.put(), 0)
    crash.check(crash.put(), 0)
    crash.reactor("reactor.before-grant=stop")
    unanswered = crash.put("--retry-for", "15", background=True)
    crash.audit.wait_for(unanswered.uri, "SecretUploadKeyRequested")
    crash.m8()
    ran = crash.check(unanswered, 7)
    assert "NO_REACTOR" in ran.err
    crash.reactor()
    crash.check(crash.put(), 0)


def test_a_clock_that_is_behind_refuses_newer_tokens_by_name_and_nothing_is_sent(crash: Crash) -> None:
    crash.m8("m8.clock=shift-600")
    put = crash.put()
    crash.m8()
    ran = crash.check(put, 10)
    assert "correct this server's clock" in ran.err
    crash.reactor_is_back()
    crash.check(crash.put(), 0)


def test_a_full_disk_refuses_what_it_cannot_keep_and_loses_nothing_that_it_kept(crash: Crash) -> None:
    before = crash.put()
    crash.check(before, 0)
    m8 = crash.cluster.m8
    with FAULTS["full disk"].breaks(m8, list((crash.cluster.folder / "m8").glob("log.db*"))):
        full = crash.put("--timeout", "10")
    crash.check(full, 0, 7, 8, 9)
    crash.check(before, 0)
    crash.check(crash.put(), 0)


def test_a_reactor_that_can_note_nothing_writes_nothing_and_says_so(crash: Crash) -> None:
    reactor = crash.reactor()
    with FAULTS["full disk"].breaks(reactor, [reactor.log.parent / "audit.jsonl"]):
        put = crash.put()
    ran = crash.check(put, 7)
    assert "NO_REACTOR" in ran.err
    assert "the reactor cannot write its audit log" in ran.err
    crash.check(crash.put(uri=put.uri), 0)
    assert '"outcome": "RESUMED"' in (reactor.log.parent / "audit.jsonl").read_text()


def test_a_reactor_without_file_descriptors_says_so_and_does_not_blame_its_engine(crash: Crash) -> None:
    reactor = crash.reactor()
    with FAULTS["no descriptors"].breaks(reactor):
        put = crash.put()
    ran = crash.check(put, 7)
    assert "NO_REACTOR" in ran.err
    assert "the reactor has no file descriptors left" in ran.err
    said = [json.loads(line) for line in last(reactor.log).splitlines()[1:]]
    (trouble,) = [line for line in said if line["event"] == "reactor cannot work"]
    assert "EMFILE" in trouble["message"]
    assert "LimitNOFILE" in trouble["fix"]
    assert not any(line["event"] == "engine" and line["health"] == "UNAVAILABLE" for line in said)
    crash.check(crash.put(uri=put.uri), 0)


def test_a_disk_that_fills_after_the_write_costs_no_secret(crash: Crash) -> None:
    reactor = crash.reactor("reactor.after-write=stop")
    audit = reactor.log.parent / "audit.jsonl"
    with audit.open("ab") as file:
        file.write(b" " * (reactor.log.stat().st_size + 1_048_576) + b"\n")  # so that the operating log has room
    put = crash.put(background=True)
    crash.audit.wait_for(put.uri, "SecretUploadStarted")
    wait_until(lambda: crash.versions(put) == 1, what="it is written")
    with FAULTS["full disk"].breaks(reactor, [audit]):
        wake(reactor)
        wait_until(lambda: '"request stopped"' in last(reactor.log), what="its end cannot be noted")
    crash.check(put, 0)
    assert crash.versions(put) == 1


def test_a_full_disk_below_age_files_takes_nothing_and_says_so(crash: Crash, local: Crash) -> None:
    reactor = crash.cluster.reactors[STORES["local"]]
    before = crash.put(uri=crash.uri("local"))
    with FAULTS["full disk"].breaks(reactor, [reactor.log, reactor.log.parent / "audit.jsonl"], room=16_384):
        full = crash.put(uri=before.uri, value="x" * 65_536)
    ran = crash.check_all(before, full)[1]
    assert (ran.code, "UPSTREAM_UNAVAILABLE" in ran.err) == (7, True)
    crash.check_all(before, crash.put(uri=before.uri))
    assert crash.versions(before) == 2


def last(log: Path) -> str:
    """What a log says since its program started last."""
    return log.read_text().rpartition('"reactor starts"')[2]

"""Two replicas of one store: one sleeps (SIGSTOP) past what it may still do, or several people put at one place."""

from __future__ import annotations

import time

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from tests.crash.breaking import SECOND, Crash
from tests.faults.parts import REACTOR_TIMINGS
from tests.faults.processes import wake


@pytest.mark.parametrize(
    ("place", "seen"), [("before-write", "SecretUploadStarted"), ("before-started", "SecretUploadRequested")]
)
def test_a_replica_that_slept_before_its_write_does_nothing_late(crash: Crash, place: str, seen: str) -> None:
    """Through its write window, or before it could announce its write."""
    sleeper = crash.reactor(f"reactor.{place}=stop")
    put = crash.put(background=True)
    crash.audit.wait_for(put.uri, seen)
    crash.reactor(folder=SECOND)
    crash.check(put, 9)
    wake(sleeper)
    crash.reactor_is_back()
    crash.check(crash.put(), 0)
    crash.check(put, 9)
    assert crash.versions(put) == 0


def test_a_replica_alone_that_slept_through_its_write_window_says_so(crash: Crash) -> None:
    sleeper = crash.reactor("reactor.before-write=stop")
    put = crash.put(background=True)
    crash.audit.wait_for(put.uri, "SecretUploadStarted")
    time.sleep(float(str(REACTOR_TIMINGS["write_window"])))  # its own clock has to pass it: there is nothing to ask
    wake(sleeper)
    crash.check(put, 0)
    reasons = [one.receipt.reason for one in crash.audit.requests(put.uri).values() if one.receipt is not None]
    assert upload_pb2.REASON_KEY_LOST in reasons
    assert crash.versions(put) == 1


PEOPLE = 6


@pytest.mark.parametrize("store", ["vault", "local"])
def test_of_those_who_want_to_be_first_one_is(crash: Crash, local: Crash, store: str) -> None:
    crash.reactor(folder=f"reactor-{store}-2")
    uri = crash.uri(store)
    puts = [crash.put("--expect", "absent", uri=uri, background=True) for _ in range(PEOPLE)]
    rans = crash.check_all(*puts)
    assert sorted(ran.code for ran in rans) == [0] + [6] * (PEOPLE - 1)
    assert len(crash.audit.history(uri)) == 1


@pytest.mark.parametrize("store", ["vault", "local"])
def test_each_who_overwrites_has_a_version_of_their_own_or_is_refused(crash: Crash, local: Crash, store: str) -> None:
    crash.reactor(folder=f"reactor-{store}-2")
    uri = crash.uri(store)
    puts = [crash.put("--overwrite", uri=uri, background=True) for _ in range(PEOPLE)]
    rans = crash.check_all(*puts)
    codes = [ran.code for ran in rans]
    assert set(codes) <= {0, 6}
    assert len(crash.audit.history(uri)) == codes.count(0) > 0

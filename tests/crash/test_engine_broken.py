"""OpenBao killed, sealed, slow, rate-limiting, refusing: the user is told the truth; once it is back all is well."""

from __future__ import annotations

import pytest

from tests.crash.breaking import Crash
from tests.faults.processes import wake
from tests.faults.table import FAULTS, OPENBAO, at

ENDS: dict[str, tuple[int, str]] = {
    "kill": (7, "UPSTREAM_UNAVAILABLE"),
    "sealed": (7, "UPSTREAM_UNAVAILABLE"),
    "stop": (7, "UPSTREAM_UNAVAILABLE"),
    "limiting": (7, ""),
    "refusing": (3, "UPSTREAM_REFUSED"),
}
"""How a put ends before which the engine breaks so, and what its user is told."""


@pytest.mark.parametrize("fault", at(OPENBAO))
def test_broken_before_a_put_nothing_is_written_and_the_user_is_told(crash: Crash, fault: str) -> None:
    code, says = ENDS[fault]
    with FAULTS[fault].breaks(crash.cluster.bao):
        put = crash.put()
    assert says in crash.check(put, code).err
    crash.check(crash.put(uri=put.uri), 0)


def test_slow_past_the_write_window_nothing_is_told_that_is_not_so(crash: Crash) -> None:
    reactor = crash.reactor("reactor.before-write=stop")
    put = crash.put(background=True)
    crash.audit.wait_for(put.uri, "SecretUploadStarted")
    with FAULTS["stop"].breaks(crash.cluster.bao):
        wake(reactor)
        put.ended()
    # What was on its way may be written yet: no user was told that it was, nor that it was not.
    ran = crash.check(put, 9)
    assert "may or may not have been written" in ran.err
    crash.check(crash.put("--overwrite", uri=put.uri), 0)


@pytest.mark.soak
def test_a_deletion_at_a_silent_engine_ends_as_not_done_or_as_unknown(crash: Crash) -> None:
    put = crash.put()
    reactor = crash.reactor("reactor.before-write=stop")
    deleting = crash.delete(put, background=True)
    crash.audit.wait_for(put.uri, "SecretUploadStarted", times=2)
    with FAULTS["stop"].breaks(crash.cluster.bao):
        wake(reactor)
        ran = deleting.ended()
    requests = crash.audit.all_end(put.uri)
    crash.audit.answers_agree(requests)
    if ran.code == 7:
        assert "UPSTREAM_UNAVAILABLE" in ran.err
        assert [version.content for version in crash.audit.history(put.uri)] == [{"password": put.value}]
    else:  # it woke after its write window, and could not look whether it had deleted
        assert (ran.code, "may or may not have been deleted" in ran.err) == (9, True)
        crash.audit.can_be_asked_about(ran, requests)


def test_killed_in_the_middle_of_a_write_the_end_is_found_out(crash: Crash) -> None:
    reactor = crash.reactor("reactor.before-write=stop")
    put = crash.put(background=True)
    crash.audit.wait_for(put.uri, "SecretUploadStarted")
    crash.cluster.bao.kill()
    wake(reactor)
    crash.cluster.bao.start()
    crash.check(put, 0, 7, 9)

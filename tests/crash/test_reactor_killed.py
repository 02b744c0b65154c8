"""The reactor is killed (SIGKILL) at each of its failpoints; whoever comes after it ends what it began."""

from __future__ import annotations

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.failpoints import VARIABLE
from tests.crash.conftest import SECOND, Crash, dies


@pytest.mark.parametrize(
    "place",
    [
        "before-grant",
        "after-grant",
        "before-open",
        "after-open",
        "before-started",
        "after-started",
        "before-write",
        "after-write",
        "before-receipt",
        "receipt-offered",
        "after-receipt",
    ],
)
def test_a_reactor_that_dies_anywhere_costs_no_secret_and_writes_once(crash: Crash, place: str) -> None:
    part = crash.reactor(f"reactor.{place}=kill")
    putting = crash.put(background=True)
    dies(part)
    crash.reactor()
    crash.check(putting, 0)
    assert len(crash.audit.versions(putting.path)) == 1


def test_an_heir_that_dies_too_has_an_heir(crash: Crash) -> None:
    issuer = crash.reactor("reactor.after-write=kill")
    putting = crash.put(background=True)
    dies(issuer)
    second = crash.cluster.start_reactor("vault", folder=SECOND)
    second.kill()
    second.start({VARIABLE: "reactor.before-recovery=kill"})
    dies(second)
    crash.reactor()
    crash.check(putting, 0)
    assert len(crash.audit.versions(putting.path)) == 1


def test_the_other_replica_ends_what_a_dead_one_began(crash: Crash) -> None:
    part = crash.reactor("reactor.after-started=kill")
    putting = crash.put(background=True)
    dies(part)
    heir = crash.cluster.start_reactor("vault", folder=SECOND)
    crash.check(putting, 0)
    ends = [one.receipt.reason for one in crash.audit.requests(putting.path).values() if one.receipt is not None]
    assert upload_pb2.REASON_KEY_LOST in ends
    heir.stop()

"""The reactor is killed (SIGKILL) at each of its failpoints; whoever comes after it ends what it began."""

from __future__ import annotations

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from tests.crash.breaking import SECOND, Crash, dies

PLACES = {
    "around its grant": ("before-grant", "after-grant"),
    "with the sealed secret": ("before-open", "after-open", "before-started"),
    "after STARTED": ("after-started", "before-write"),
    "after the write, and its heirs too": ("after-write", "before-recovery", "before-receipt", "receipt-offered"),
    "when m8 has the receipt": ("after-receipt",),
}


@pytest.mark.parametrize("moment", PLACES)
def test_a_reactor_that_dies_anywhere_costs_no_secret_and_writes_once(crash: Crash, moment: str) -> None:
    first, *others = PLACES[moment]
    part = crash.reactor(f"reactor.{first}=kill")
    put = crash.put(background=True)
    for place in others:
        dies(part)
        crash.reactor(f"reactor.{place}=kill")
    dies(part)
    crash.reactor()
    crash.check(put, 0)
    assert crash.versions(put) == 1


def test_the_other_replica_ends_what_a_dead_one_began(crash: Crash) -> None:
    part = crash.reactor("reactor.after-started=kill")
    put = crash.put(background=True)
    dies(part)
    crash.reactor(folder=SECOND)
    crash.check(put, 0)
    ends = [one.receipt.reason for one in crash.audit.requests(put.uri).values() if one.receipt is not None]
    assert upload_pb2.REASON_KEY_LOST in ends
    assert crash.versions(put) == 1

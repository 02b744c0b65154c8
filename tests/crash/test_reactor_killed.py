"""The reactor is killed (SIGKILL) at each of its failpoints; whoever comes after it ends what it began.

OpenBao's reactor and that of the age files die side by side, so that nobody waits twice for the same deadline.
"""

from __future__ import annotations

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from tests.crash.breaking import SECOND, STORES, Crash, dies

PLACES = {
    "around its grant": ("before-grant", "after-grant"),
    "with the sealed secret": ("before-open", "after-open", "before-started"),
    "after STARTED": ("after-started", "before-write"),
    "after the write, and its heirs too": ("after-write", "before-recovery", "before-receipt", "receipt-offered"),
    "when m8 has the receipt": ("after-receipt",),
}


@pytest.mark.parametrize("moment", PLACES)
def test_a_reactor_that_dies_anywhere_costs_no_secret_and_writes_once(crash: Crash, local: Crash, moment: str) -> None:
    first, *others = PLACES[moment]
    parts = crash.start_reactors(f"reactor.{first}=kill", *STORES.values())
    puts = [crash.put(uri=crash.uri(store), background=True) for store in STORES]
    for place in (*others, ""):
        for part in parts:
            dies(part)
        crash.start_reactors(f"reactor.{place}=kill" if place else "", *STORES.values())
    for put in puts:
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


def test_a_reactor_that_dies_around_the_write_of_what_it_made_writes_once(crash: Crash) -> None:
    part = crash.reactor("reactor.before-write=kill")
    generating = crash.ask("generate", "secret", "--kind", "password", background=True)
    dies(part)
    dies(crash.reactor("reactor.after-write=kill"))
    crash.reactor()
    ran = generating.ended()
    assert ran.code == 0, ran.err
    requests = crash.audit.all_end(generating.uri)
    crash.audit.answers_agree(requests)
    done = requests[ran.json()["request_id"]].receipt
    [version] = crash.audit.history(generating.uri)
    assert (done and done.upstream_version, len((version.content or {})["password"])) == (version.text, 24)

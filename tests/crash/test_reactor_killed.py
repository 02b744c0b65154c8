"""The reactor is killed (SIGKILL) at each of its failpoints; whoever comes after it ends what it began.

OpenBao's reactor and that of the age files die side by side, so that nobody waits twice for the same deadline.
"""

from __future__ import annotations

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from tests.crash.breaking import SECOND, STORES, Crash, dies, replica_of

PLACES: dict[str, tuple[int, list[str]]] = {
    "before its grant": (0, ["before-grant"]),
    "after its grant": (9, ["after-grant"]),
    "before it opened": (9, ["before-open"]),
    "after it opened": (9, ["after-open"]),
    "before STARTED": (9, ["before-started"]),
    "after STARTED": (9, ["after-started"]),
    "before the write": (9, ["before-write"]),
    "after the write, and its heirs too": (0, ["after-write", "before-recovery", "before-receipt", "receipt-offered"]),
    "when m8 has the receipt": (0, ["after-receipt"]),
}
"""How the command ends; where the reactor dies, then its heirs. Once the key's maker is gone, nobody who is left can
say that what was sealed for it will not be written: that is 9."""
LIKE_ANOTHER = {"before it opened", "after it opened", "before STARTED", "after STARTED"}
"""Between two places of which each is tried with every change: until STARTED is recorded, whoever comes after finds
what it finds after the grant."""


@pytest.mark.parametrize(
    "moment", [pytest.param(one, marks=pytest.mark.soak) if one in LIKE_ANOTHER else one for one in PLACES]
)
def test_a_reactor_that_dies_anywhere_costs_no_secret_and_writes_at_most_once(
    crash: Crash, local: Crash, moment: str
) -> None:
    code, [first, *others] = PLACES[moment]
    parts = crash.start_reactors(f"reactor.{first}=kill", *STORES.values())
    puts = [crash.put(uri=crash.uri(store), background=True) for store in STORES]
    for place in (*others, ""):
        for part in parts:
            dies(part)
        crash.start_reactors(f"reactor.{place}=kill" if place else "", *STORES.values())
    for put in puts:
        crash.check(put, code)
        assert crash.versions(put) == (1 if code == 0 else 0)
        crash.check(crash.put("--overwrite", uri=put.uri, value="again"), 0)


def test_the_other_replica_ends_what_a_dead_one_began(crash: Crash) -> None:
    part = crash.reactor("reactor.after-started=kill")
    put = crash.put(background=True)
    dies(part)
    crash.reactor(folder=SECOND)
    crash.check(put, 9)
    [end] = [one.receipt for one in crash.audit.requests(put.uri).values()]
    assert end is not None
    assert end.reason == upload_pb2.REASON_KEY_LOST
    assert end.replica == replica_of(crash.cluster.reactors[SECOND])
    assert crash.versions(put) == 0


def test_a_reactor_that_dies_around_the_write_of_what_it_made_writes_once(crash: Crash) -> None:
    part = crash.reactor("reactor.before-write=kill")
    generating = crash.ask("generate", "secret", "--kind", "password", background=True)
    dies(part)
    part = crash.reactor("reactor.after-write=kill")
    assert generating.ended().code == 9
    crash.audit.all_end(generating.uri)
    assert crash.versions(generating) == 0
    generating = crash.ask("generate", "secret", "--kind", "password", uri=generating.uri, background=True)
    dies(part)
    crash.reactor()
    ran = generating.ended()
    assert ran.code == 0, ran.err
    requests = crash.audit.all_end(generating.uri)
    crash.audit.answers_agree(requests)
    done = requests[ran.json()["request_id"]].receipt
    [version] = crash.audit.history(generating.uri)
    assert (done and done.upstream_version, len((version.content or {})["password"])) == (version.text, 24)

"""The reactor is killed (SIGKILL) at each of its failpoints; whatever comes after it ends what it began.

OpenBao's reactor and that of the age files die side by side, so that no test waits twice for the same deadline.
"""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.exit_codes import ExitCode
from tests.crash.breaking import CHANGES, SECOND, STORES, Command, Crash, reactors_die, replica_of
from tests.faults.processes import dies

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
"""How the command ends; where the reactor dies, then its heirs. Once the key's maker is gone, no part that is left can
say that what was sealed for it will not be written: that is 9."""
LIKE_ANOTHER = {"before it opened", "after it opened", "before STARTED", "after STARTED"}
"""Between two places of which each is tried with every change: until STARTED is recorded, whatever comes after finds
what it finds after the grant."""
BEFORE = {"before-started", "after-started", "before-write"}
"""Where nothing is written yet, and an heir cannot say so."""


def soak(*cases: object) -> list[object]:
    """What is tried in `make soak` alone: for what comes after, it is as another case."""
    return [pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.soak) for case in cases]


@pytest.mark.parametrize("moment", [*(one for one in PLACES if one not in LIKE_ANOTHER), *soak(*LIKE_ANOTHER)])
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


# --- patches and deletions ---


@pytest.mark.parametrize(
    ("verb", "place"),
    [
        ("patch", "after-started"),
        ("patch", "after-write"),
        ("delete", "before-write"),
        ("delete", "after-write"),
        *soak(("patch", "before-write"), ("patch", "before-receipt")),
    ],
)
def test_a_reactor_that_dies_around_the_engines_change(crash: Crash, local: Crash, verb: str, place: str) -> None:
    change, check = CHANGES[verb]
    puts = [crash.put(uri=crash.uri(store)) for store in STORES]
    with reactors_die(crash, place):
        changing = [change(crash, put, background=True) for put in puts]
    for put, changed in zip(puts, changing, strict=True):
        if place in BEFORE:
            assert changed.ended().code == 9
            crash.audit.answers_agree(crash.audit.all_end(put.uri))
            assert [version.content for version in crash.audit.history(put.uri)] == [{"password": put.value}]
            check(crash, put, change(crash, put))
        else:
            check(crash, put, changed)


# --- what brings back, generates, copies and looks ---

ENDS = {"undelete": ("UNDELETED", "SecretUndeleted"), "rollback": ("ROLLED_BACK", "SecretRolledBack")}


def prepared(crash: Crash, verb: str, store: str) -> tuple[Command, tuple[str, ...]]:
    """Put what is to be brought back, and delete or replace it; return the put, and the words of the command."""
    put = crash.put(uri=crash.uri(store))
    if verb == "undelete":
        crash.delete(put)
        return put, ("undelete", "secret")
    version = put.ended().json()["upstream_version"]
    crash.put(uri=put.uri)
    return put, ("rollback", "secret", "--to", version)


@pytest.mark.soak
def test_a_reactor_that_dies_after_the_engine_brought_it_back(crash: Crash, local: Crash) -> None:
    """One of them undeletes, the other rolls back."""
    asked = [prepared(crash, verb, store) for verb, store in zip(ENDS, STORES, strict=True)]
    with reactors_die(crash, "after-write"):
        restoring = [crash.ask(*words, uri=put.uri, background=True) for put, words in asked]
    for (put, _), command, (outcome, event) in zip(asked, restoring, ENDS.values(), strict=True):
        back, before = command.succeeded().json(), put.ended().json()
        requests = crash.audit.all_end(put.uri)
        assert [one.types[-1] for one in requests.values()].count(event) == 1
        crash.audit.answers_agree(requests)
        assert (back["outcome"], back["hash"]) == (outcome, before["hash"])
        assert back["restored_version"] == before["upstream_version"]
        last = crash.audit.history(put.uri)[-1]
        assert (last.text, last.content) == (back["upstream_version"], {"password": put.value})


def dies_while(crash: Crash, place: str, *words: str, uri: str) -> Command:
    """Let the reactor of `vault` die at a place while a command runs, and start it anew; return the command."""
    part = crash.reactor(f"reactor.{place}=kill")
    command = crash.ask(*words, uri=uri, background=True)
    dies(part)
    crash.reactor()
    return command


@pytest.mark.parametrize(
    "place", ["before-write", "before-receipt", *soak("before-started", "after-started", "after-write")]
)
def test_a_generated_secret_is_written_once_and_has_the_public_half_that_its_user_was_shown(
    crash: Crash, place: str
) -> None:
    uri, words = crash.uri(), ("generate", "secret", "--kind", "ed25519", "--key", "key")
    command = dies_while(crash, place, *words, uri=uri)
    if place in BEFORE:
        assert command.ended().code == ExitCode.OUTCOME_UNKNOWN
        crash.audit.all_end(uri)
        assert crash.audit.history(uri) == []
        command = crash.ask(*words, uri=uri)
    shown = command.succeeded().json()
    requests = crash.audit.all_end(uri)
    crash.audit.answers_agree(requests)
    [version] = crash.audit.history(uri)
    receipt = requests[shown["request_id"]].receipt
    assert receipt is not None
    assert receipt.upstream_version == version.text
    public = load_pem_private_key((version.content or {})["key"].encode(), None).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert shown["public_values"] == {"key": pem}


@pytest.mark.parametrize(("place", "arrived"), [("after-started", False), ("before-receipt", True)])
def test_a_copy_whose_reactor_dies_is_unknown(crash: Crash, local: Crash, place: str, *, arrived: bool) -> None:
    put, destination = crash.put(), crash.uri("local")
    ran = dies_while(crash, place, "copy", "secret", put.uri, uri=destination).ended()
    assert ran.code == ExitCode.OUTCOME_UNKNOWN, ran.err
    assert "copied" in ran.err
    found = crash.ask("get", "secret", uri=destination).ended()
    assert found.code == (0 if arrived else ExitCode.NOT_FOUND)
    if arrived:
        assert found.json()["hash"] == put.ended().json()["hash"]
    again = crash.ask("copy", "secret", put.uri, uri=destination).succeeded()
    assert again.json()["outcome"] == ("UNCHANGED" if arrived else "UPLOADED")


def test_a_verification_or_an_import_whose_reactor_dies_is_unknown_and_asked_again(crash: Crash) -> None:
    put = crash.put()
    for verb, outcome in (("verify", "IN_SYNC"), ("import", "IMPORTED")):
        ran = dies_while(crash, "before-receipt", verb, "secret", uri=put.uri).ended()
        assert ran.code == ExitCode.OUTCOME_UNKNOWN, ran.err
        assert "Nothing was written" in ran.err
        assert crash.ask(verb, "secret", uri=put.uri).succeeded().json()["outcome"] == outcome

"""Who undeletes or rolls back dies after the engine has done it: an heir finds it, and it was done once."""

from __future__ import annotations

import pytest

from tests.crash.breaking import STORES, Command, Crash, reactors_die

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
        ran = command.ended()
        assert ran.code == 0, ran.err
        requests = crash.audit.all_end(put.uri)
        assert [one.types[-1] for one in requests.values()].count(event) == 1
        crash.audit.answers_agree(requests)
        back, before = ran.json(), put.ended().json()
        assert (back["outcome"], back["hash"]) == (outcome, before["hash"])
        assert back["restored_version"] == before["upstream_version"]
        last = crash.audit.history(put.uri)[-1]
        assert (last.text, last.content) == (back["upstream_version"], {"password": put.value})

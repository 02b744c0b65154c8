"""Who deletes dies before or after the engine has deleted: it is deleted once, and nobody is told what is not so."""

from __future__ import annotations

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from tests.crash.breaking import STORES, Command, Crash, armed, around, dies_at, reactors_die, stopped, wake


def check_deleted(crash: Crash, put: Command, deleting: Command) -> None:
    """It succeeded, once, by the receipt that was shown, and nothing else happened to the secret."""
    ran = deleting.ended()
    assert ran.code == 0, ran.err
    requests = crash.audit.all_end(put.uri)
    deleted = [one.receipt for one in requests.values() if "SecretDeleted" in one.types]
    assert len(deleted) == 1
    [version] = crash.audit.history(put.uri)
    assert version.content is None
    assert deleted[0] is not None
    assert (deleted[0].outcome, deleted[0].prior_version) == (upload_pb2.OUTCOME_DELETED, version.text)
    assert ran.json()["deleted_version"] == version.text
    crash.audit.answers_agree(requests)


@pytest.mark.parametrize("place", ["before-write", "after-write"])
def test_a_reactor_that_dies_around_the_engines_delete(crash: Crash, local: Crash, place: str) -> None:
    puts = [crash.put(uri=crash.uri(store)) for store in STORES]
    with reactors_die(crash, place):
        deleting = [crash.delete(put, background=True) for put in puts]
    for put, deletion in zip(puts, deleting, strict=True):
        if place == "before-write":
            # The key's maker is gone: nobody who is left can say that nothing will be deleted.
            assert deletion.ended().code == 9
            crash.audit.all_end(put.uri)
            assert [version.content for version in crash.audit.history(put.uri)] == [{"password": put.value}]
            check_deleted(crash, put, crash.delete(put))
        else:
            check_deleted(crash, put, deletion)


@pytest.mark.soak
def test_m8_that_dies_around_the_end_of_a_deletion(crash: Crash) -> None:
    put = crash.put()
    places = (*around("SecretUploadStarted"), *around("SecretDeleted"))
    armed(crash, places)
    deleting = crash.delete(put, background=True)
    dies_at(crash, places, deleting)
    check_deleted(crash, put, deleting)


@pytest.mark.soak
def test_a_deletion_at_a_silent_engine_ends_as_not_done_or_as_unknown(crash: Crash) -> None:
    put = crash.put()
    reactor = crash.reactor("reactor.before-write=stop")
    deleting = crash.delete(put, background=True)
    crash.audit.wait_for(put.uri, "SecretUploadStarted", times=2)
    with stopped(crash.cluster.bao.pid):
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

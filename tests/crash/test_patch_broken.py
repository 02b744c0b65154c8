"""Who patches dies before or after the engine has merged: it is merged once, and the other keys are as they were."""

from __future__ import annotations

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from tests.crash.breaking import STORES, Command, Crash, armed, around, dies_at, reactors_die
from tests.support.engines import Version

BEFORE_WRITE = pytest.param("before-write", marks=pytest.mark.soak)
"""As "after-started" is for whoever comes after."""
BEFORE_RECEIPT = pytest.param("before-receipt", marks=pytest.mark.soak)
"""As "after-write" is for whoever comes after."""


def check_patched(crash: Crash, put: Command, patching: Command) -> None:
    """It succeeded, once, by the receipt that was shown, with the hash of the whole."""
    ran = patching.ended()
    assert ran.code == 0, ran.err
    requests = crash.audit.all_end(put.uri)
    before, after = crash.audit.history(put.uri)
    assert before.content == {"password": put.value}
    assert after == Version(ran.json()["upstream_version"], {"password": put.value, "user": patching.value})
    receipt = requests[ran.json()["request_id"]].receipt
    assert receipt is not None
    assert (receipt.outcome, receipt.upstream_version) == (upload_pb2.OUTCOME_UPLOADED, after.text)
    assert [key for key, _ in receipt.values] == ["password", "user"]
    crash.audit.answers_agree(requests)


@pytest.mark.parametrize("place", ["after-started", BEFORE_WRITE, "after-write", BEFORE_RECEIPT])
def test_a_reactor_that_dies_around_the_engines_merge(crash: Crash, local: Crash, place: str) -> None:
    puts = [crash.put(uri=crash.uri(store)) for store in STORES]
    with reactors_die(crash, place):
        patching = [crash.patch(put, background=True) for put in puts]
    for put, patch in zip(puts, patching, strict=True):
        if place in {"after-started", "before-write"}:
            # The key's maker is gone: nobody who is left can say that nothing will be merged.
            assert patch.ended().code == 9
            crash.audit.answers_agree(crash.audit.all_end(put.uri))
            assert [version.content for version in crash.audit.history(put.uri)] == [{"password": put.value}]
            check_patched(crash, put, crash.patch(put))
        else:
            check_patched(crash, put, patch)


@pytest.mark.soak
def test_m8_that_dies_around_the_end_of_a_patch(crash: Crash) -> None:
    put = crash.put()
    places = (*around("SecretUploadStarted"), *around("SecretUploaded"))
    armed(crash, places)
    patching = crash.patch(put, background=True)
    dies_at(crash, places, patching)
    check_patched(crash, put, patching)

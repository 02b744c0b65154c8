"""m8 is killed (SIGKILL) at each of its failpoints and started again; monoctl and the reactor absorb it."""

from __future__ import annotations

import pytest

from tests.crash.conftest import Crash, dies

EVENTS = ("SecretUploadKeyRequested", "SecretUploadKeyProvided", "SecretUploadRequested", "SecretUploadStarted")
WALK = (*EVENTS, "SecretUploaded")
PLACES = [
    *(f"m8.before-append.{kind}" for kind in WALK),
    *(f"m8.after-append.{kind}" for kind in WALK),
    "m8.before-answer.RequestSecretUploadKey",
    "m8.before-answer.RequestUploadSecret",
    "m8.before-appended",
]


@pytest.mark.parametrize("place", PLACES)
def test_m8_that_dies_anywhere_costs_no_secret_and_the_user_does_not_notice(crash: Crash, place: str) -> None:
    m8 = crash.m8(f"{place}=kill")
    crash.reactor_is_back()
    putting = crash.put(background=True)
    dies(m8)
    crash.m8()
    crash.check(putting, 0)
    assert len(crash.audit.versions(putting.path)) == 1
    assert len(crash.audit.requests(putting.path)) == 1


@pytest.mark.parametrize("place", ["m8.timekeeper", "m8.before-commit"])
def test_m8_that_dies_beside_a_request_loses_nothing(crash: Crash, place: str) -> None:
    first = crash.put()
    dies(crash.m8(f"{place}=kill@2"))
    crash.m8()
    crash.check(first, 0)
    crash.check(crash.put(), 0)


def test_a_commit_that_fails_is_refused_as_a_whole_and_the_next_succeeds(crash: Crash) -> None:
    crash.m8("m8.before-commit=error@4")
    crash.reactor_is_back()
    crash.check(crash.put(), 0, 7)
    crash.m8()
    crash.reactor_is_back()
    crash.check(crash.put(), 0)

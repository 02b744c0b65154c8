"""m8 is killed (SIGKILL) at each of its failpoints and started again; monoctl and the reactor absorb it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.testing.cluster import MOUNT, PREFIX
from tests.crash.breaking import CHANGES, Crash, armed, around, dies_at
from tests.faults.parts import M8_TIMINGS, shorten
from tests.faults.processes import dies

WALK = {
    "SecretUploadKeyRequested": around("SecretUploadKeyRequested", "m8.before-answer.RequestSecretUploadKey"),
    "SecretUploadKeyProvided": around("SecretUploadKeyProvided"),
    "SecretUploadRequested": ("m8.before-appended", *around("SecretUploadRequested")),
    "SecretUploadStarted": around("SecretUploadStarted"),
    "SecretUploaded": around("SecretUploaded", "m8.before-answer.RequestUploadSecret"),
}


@pytest.fixture(scope="module", autouse=True)
def _patient(whole: Crash) -> Iterator[None]:
    """However slow the machine is, m8 does not give up a reactor before that has come back, too."""
    settings = whole.cluster.folder / "m8" / "m8.toml"
    shorten(settings, timings={**M8_TIMINGS, "issuer_gone": 20.0})  # counts from the next start, with which each begins
    yield
    shorten(settings, timings=dict(M8_TIMINGS))
    whole.m8()
    whole.reactor_is_back()


LIKE_ANOTHER = {"SecretUploadKeyProvided"}
"""m8 records what a reactor appends in one way: SecretUploaded shows the same of it."""


@pytest.mark.parametrize(
    "event", [pytest.param(one, marks=pytest.mark.soak) if one in LIKE_ANOTHER else one for one in WALK]
)
def test_m8_that_dies_anywhere_costs_no_secret_and_the_user_does_not_notice(crash: Crash, event: str) -> None:
    armed(crash, WALK[event])
    put = crash.put(background=True)
    dies_at(crash, WALK[event], put)
    crash.check(put, 0)
    assert crash.versions(put) == 1
    # After STARTED the reactor waits for m8 no longer than its write window: then it is a new attempt that writes.
    if event != "SecretUploadStarted":
        assert len(crash.audit.requests(put.uri)) == 1


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        ("SecretCompared", upload_pb2.OUTCOME_EQUAL),
        pytest.param("SecretVerified", upload_pb2.OUTCOME_IN_SYNC, marks=pytest.mark.soak),
    ],
)
def test_m8_that_dies_around_the_end_of_a_question_answers_it_all_the_same(
    crash: Crash, event: str, outcome: upload_pb2.Outcome
) -> None:
    put = crash.put()
    armed(crash, around(event))
    if event == "SecretCompared":
        asking = crash.compare(put, background=True)
    else:
        asking = crash.ask("verify", "secret", uri=put.uri, background=True)
    dies_at(crash, around(event), asking)
    assert asking.ended().code == 0, asking.ended().err
    crash.check(put, 0)
    answered = [one for one in crash.audit.requests(put.uri).values() if event in one.types]
    assert [one.receipt.outcome for one in answered if one.receipt] == [outcome]


@pytest.mark.soak
@pytest.mark.parametrize(("verb", "end"), [("patch", "SecretUploaded"), ("delete", "SecretDeleted")])
def test_m8_that_dies_around_the_end_of_a_change(crash: Crash, verb: str, end: str) -> None:
    change, check = CHANGES[verb]
    put = crash.put()
    places = (*around("SecretUploadStarted"), *around(end))
    armed(crash, places)
    changing = change(crash, put, background=True)
    dies_at(crash, places, changing)
    check(crash, put, changing)


def test_m8_that_dies_around_the_end_of_an_import_adopts_it_all_the_same(crash: Crash) -> None:
    uri = crash.uri()
    crash.cluster.bao.call(
        "POST", f"{MOUNT}/data/{PREFIX}/{uri.removeprefix('vault://')}", {"data": {"password": "of others"}}
    )
    armed(crash, around("SecretImported"))
    importing = crash.ask("import", "secret", uri=uri, background=True)
    dies_at(crash, around("SecretImported"), importing)
    assert importing.ended().code == 0, importing.ended().err
    [request] = crash.audit.all_end(uri).values()
    assert request.receipt is not None
    [version] = crash.audit.history(uri)
    assert (request.receipt.outcome, request.receipt.upstream_version) == (upload_pb2.OUTCOME_IMPORTED, version.text)
    crash.audit.answers_agree(crash.audit.requests(uri))


def test_m8_that_dies_around_a_failure_tells_it_all_the_same(crash: Crash) -> None:
    first = crash.put()
    places = around("SecretUploadFailed")
    armed(crash, places)
    second = crash.put("--expect", "absent", uri=first.uri, background=True)
    dies_at(crash, places, second)
    crash.check(second, 6)
    crash.check(first, 0)
    assert crash.versions(first) == 1


@pytest.mark.soak
def test_m8_that_dies_as_it_ends_a_request_itself_ends_it_once_it_is_back(crash: Crash) -> None:
    places = around("SecretUploadFailed")
    crash.reactor("reactor.before-grant=stop")
    armed_m8 = crash.m8(f"{places[0]}=kill")
    put = crash.put("--retry-for", "15", background=True)  # m8 ends it after 20 s
    dies_at(crash, places, put)
    assert armed_m8.pid is not None
    ran = crash.check(put, 7)
    assert "NO_REACTOR" in ran.err


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
    crash.check(crash.put(), 0)

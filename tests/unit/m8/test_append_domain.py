"""What a user may send and a reactor may say about a request, and every lie that m8 refuses to record."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import AlreadyExistsError, ConflictError, NotFoundError, RefusedError, UsageError
from monoskope.m8.domain.append import append_by_reactor
from monoskope.m8.domain.deadlines import Deadlines, fail_by_m8, overdue
from monoskope.m8.domain.upload import NEW, Upload, evolve, request_key, request_upload
from monoskope.protocol.events import ReactorEvent
from monoskope.protocol.grant import make_grant
from monoskope.protocol.identity import ProofError
from monoskope.protocol.outcomes import State, WrongStepError
from monoskope.protocol.request import Request, make_request
from monoskope.uri import SecretUri
from tests.support.m8_walk import CIPHERTEXT, ENCAPSULATED, ISSUER, PEER, Walk, fingerprints
from tests.support.vectors import KEY_ID, Signer, a_grant, a_request

OTHER_KEY = "0123456789abcdef"
AtState = Callable[[Walk], Upload]


def expecting(expect: upload_pb2.Expect, version: str = "") -> Request:
    return make_request(
        request_id=b"q" * 16,
        purpose=upload_pb2.PURPOSE_UPLOAD,
        uri=SecretUri.parse("vault://app/db"),
        expect=expect,
        expect_version=version,
        suites=(1,),
    )


def test_the_walk_is_accepted() -> None:
    walk = Walk()
    assert append_by_reactor(walk.requested(), walk.provided(), walk.by())
    assert append_by_reactor(walk.uploading(), walk.started(), walk.by())
    assert append_by_reactor(walk.writing(), walk.uploaded(), walk.by())
    assert append_by_reactor(walk.uploading(), walk.unchanged(), walk.by())
    compare = Walk(a_request(purpose=upload_pb2.PURPOSE_COMPARE))
    assert append_by_reactor(compare.uploading(), compare.compared(), compare.by())


@pytest.mark.parametrize("upload", [Walk.requested, Walk.granted, Walk.uploading])
def test_a_replica_may_end_a_request_before_writing_without_a_receipt(upload: AtState) -> None:
    walk = Walk()
    event = unsigned(upload_pb2.REASON_RATE_LIMITED)
    assert append_by_reactor(upload(walk), event, walk.by(PEER)) == [event]


def unsigned(reason: upload_pb2.Reason = upload_pb2.REASON_KEY_LOST, **fields: Any) -> events_pb2.SecretUploadFailed:
    return events_pb2.SecretUploadFailed(reason=reason, **fields)


def with_another_reason(walk: Walk) -> events_pb2.SecretUploadFailed:
    event = walk.failed(upload_pb2.REASON_CONFLICT)
    event.reason = upload_pb2.REASON_KEY_LOST
    return event


def overlong(walk: Walk) -> ReactorEvent:
    grant = make_grant(
        request=walk.request,
        subject="anna",
        public_key=bytes(1216),
        replica=ISSUER,
        lifetime_s=300,
        max_plaintext=512,
        fingerprint_key_id=KEY_ID,
    )
    return walk.provided(replace(grant, content=grant.content + b"\x9a\x06\x00"))


LIES: dict[str, tuple[AtState, Callable[[Walk], Any], type[Exception], str]] = {
    "a time to come back without a limit": (
        Walk.requested,
        lambda _: unsigned(upload_pb2.REASON_CANNOT_READ, retry_after_s=1),
        UsageError,
        "retry_after_s",
    ),
    "a time to come back of more than a day": (
        Walk.requested,
        lambda _: unsigned(upload_pb2.REASON_RATE_LIMITED, retry_after_s=86_401),
        UsageError,
        "retry_after_s",
    ),
    "no receipt of a failed write": (Walk.writing, lambda _: unsigned(), UsageError, "receipt"),
    "another reason than the receipt's": (Walk.uploading, with_another_reason, UsageError, "reason"),
    "no reason": (Walk.uploading, lambda _: events_pb2.SecretUploadFailed(), UsageError, "reason"),
    "an upload that was not announced": (Walk.uploading, Walk.uploaded, WrongStepError, ""),
    "nothing changed by what was announced": (Walk.writing, Walk.unchanged, WrongStepError, ""),
    "a second grant": (Walk.granted, Walk.provided, WrongStepError, ""),
    "a grant of another request": (
        Walk.requested,
        lambda walk: walk.provided(a_grant(a_request(), replica=ISSUER)),
        ProofError,
        "",
    ),
    "a grant for another user": (
        Walk.requested,
        lambda walk: walk.provided(a_grant(walk.request, subject="bob", replica=ISSUER)),
        ProofError,
        "",
    ),
    "a grant of another identity": (Walk.requested, lambda walk: walk.provided(signer=Signer()), ProofError, ""),
    "a grant that is not well formed": (Walk.requested, overlong, UsageError, "serialised"),
    "a receipt before any grant": (Walk.requested, Walk.failed, ProofError, "without a grant"),
    "a fingerprint of a foreign key": (
        Walk.writing,
        lambda walk: walk.uploaded(**fingerprints(OTHER_KEY)),
        RefusedError,
        OTHER_KEY,
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_of_a_reactor_is_refused(lie: str) -> None:
    state, event, error, why = LIES[lie]
    walk = Walk()
    with pytest.raises(error, match=why or "."):
        append_by_reactor(state(walk), event(walk), walk.by())


@pytest.mark.parametrize(
    ("kind", "receipt"),
    [
        (events_pb2.SecretUploadStarted, Walk.uploaded),
        (events_pb2.SecretUploaded, Walk.failed),
        (partial(unsigned, upload_pb2.REASON_CONFLICT), Walk.unchanged),
        (events_pb2.SecretCompared, Walk.uploaded),
    ],
)
def test_an_events_receipt_has_a_fitting_outcome(kind: Callable[..., Any], receipt: Callable[[Walk], Any]) -> None:
    walk = Walk()
    with pytest.raises(UsageError, match="outcome"):
        append_by_reactor(walk.uploading(), kind(receipt=receipt(walk).receipt), walk.by())


def test_a_failure_signed_before_writing_began_does_not_end_a_write() -> None:
    walk = Walk()
    writing = walk.writing()
    assert append_by_reactor(writing, walk.failed(upload_pb2.REASON_KEY_LOST), walk.by(PEER))
    walk.digest = b""
    assert append_by_reactor(walk.uploading(), walk.failed(upload_pb2.REASON_KEY_LOST), walk.by(PEER))
    with pytest.raises(ConflictError, match="before writing"):
        append_by_reactor(writing, walk.failed(upload_pb2.REASON_KEY_LOST), walk.by(PEER))


@pytest.mark.parametrize(
    "event", [Walk.provided, Walk.started, Walk.uploaded, Walk.unchanged, Walk.compared, Walk.failed]
)
def test_another_stores_request_is_unknown(event: Callable[[Walk], ReactorEvent]) -> None:
    walk = Walk(a_request(purpose=upload_pb2.PURPOSE_COMPARE) if event is Walk.compared else None)
    with pytest.raises(NotFoundError) as others:
        append_by_reactor(walk.uploading(), event(walk), walk.by(store="local"))
    with pytest.raises(NotFoundError) as missing:
        append_by_reactor(NEW, event(walk), walk.by())
    assert str(others.value) == str(missing.value)


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (Walk.uploading, Walk.started),
        (Walk.writing, Walk.uploaded),
        (Walk.uploading, Walk.unchanged),
        (Walk.uploading, Walk.failed),
        (Walk.writing, Walk.failed),
    ],
)
@pytest.mark.parametrize(
    ("lie", "why"),
    [("identity", ""), ("grant", "another grant"), ("bytes", "other sealed bytes"), ("signature", "signature")],
)
def test_a_receipt_is_signed_by_the_store_about_this_grant_and_these_bytes(
    state: AtState, event: Callable[[Walk], Any], lie: str, why: str
) -> None:
    walk = Walk()
    upload, by = state(walk), walk.by()
    if lie == "identity":
        walk.signer = Signer()
    elif lie == "grant":
        walk.grant = a_grant(walk.request, replica=ISSUER)
    elif lie == "bytes":
        walk.digest = b"x" * 32
    appended = event(walk)
    if lie == "signature":
        signature = bytearray(appended.receipt.signature)
        signature[5] ^= 1
        appended.receipt.signature = bytes(signature)
    with pytest.raises(ProofError, match=why or "."):
        append_by_reactor(upload, appended, by)


@pytest.mark.parametrize("event", [Walk.started, Walk.unchanged])
def test_only_the_issuer_opens_and_writes(event: Callable[[Walk], ReactorEvent]) -> None:
    walk = Walk()
    with pytest.raises(WrongStepError):
        append_by_reactor(walk.uploading(), event(walk), walk.by(PEER))
    with pytest.raises(ProofError):
        append_by_reactor(walk.requested(), walk.provided(), walk.by(PEER))
    unreadable = walk.uploaded(fingerprint="", values=())
    assert append_by_reactor(walk.writing(), unreadable, walk.by(PEER)) == [unreadable]


def test_a_comparison_cannot_end_as_an_upload() -> None:
    compare = Walk(a_request(purpose=upload_pb2.PURPOSE_COMPARE))
    with pytest.raises(ProofError, match="outcome"):
        append_by_reactor(compare.uploading(), compare.unchanged(), compare.by())


def test_the_fingerprint_keys_that_count_are_those_allowed_and_the_grants() -> None:
    walk, other = Walk(), frozenset({OTHER_KEY})
    with pytest.raises(RefusedError):
        append_by_reactor(walk.requested(), walk.provided(), walk.by(key_ids=other))
    assert append_by_reactor(walk.writing(), walk.uploaded(), walk.by(key_ids=other))
    event = walk.uploaded(**fingerprints(OTHER_KEY))
    assert append_by_reactor(walk.writing(), event, walk.by(key_ids=other | {KEY_ID})), "during a rotation both count"


def test_another_version_than_expected_is_not_replaced() -> None:
    walk = Walk(expecting(upload_pb2.EXPECT_VERSION, "3"))
    assert append_by_reactor(walk.uploading(), walk.started("3"), walk.by())
    with pytest.raises(ConflictError):
        append_by_reactor(walk.uploading(), walk.started("4"), walk.by())
    with pytest.raises(ConflictError):
        append_by_reactor(walk.writing("3"), walk.uploaded("5", "4"), walk.by())
    absent = Walk(expecting(upload_pb2.EXPECT_ABSENT))
    assert append_by_reactor(absent.uploading(), absent.started(), absent.by())
    with pytest.raises(ConflictError):
        append_by_reactor(absent.uploading(), absent.started("1"), absent.by())


@pytest.mark.parametrize("expect", [upload_pb2.EXPECT_ANY, upload_pb2.EXPECT_OVERWRITE])
def test_a_check_and_set_that_was_tried_again_is_recorded_as_it_was(expect: upload_pb2.Expect) -> None:
    walk = Walk(expecting(expect))
    assert append_by_reactor(walk.writing("1"), walk.uploaded("3", "2"), walk.by())


def send(upload: Upload, *, subject: str = "anna", ciphertext: bytes = CIPHERTEXT) -> list[object]:
    return list(
        request_upload(upload, subject=subject, encapsulated_key=ENCAPSULATED, ciphertext=ciphertext, last_receipt=None)
    )


def test_asking_again_with_the_same_bytes_and_subject_records_nothing() -> None:
    walk = Walk()
    (event,) = request_key(NEW, request=walk.request, subject="anna", last_receipt=None)
    assert request_key(evolve(NEW, event), request=walk.request, subject="anna", last_receipt=None) == []


def test_a_taken_request_id_is_refused_without_detail() -> None:
    walk = Walk()
    other = a_request(request_id=walk.request.request_id, uri="vault://other/path")
    with pytest.raises(AlreadyExistsError) as by_other_bytes:
        request_key(walk.requested(), request=other, subject="anna", last_receipt=None)
    with pytest.raises(AlreadyExistsError) as by_other_user:
        request_key(walk.requested(), request=walk.request, subject="bob", last_receipt=None)
    assert str(by_other_bytes.value) == str(by_other_user.value)
    assert "anna" not in str(by_other_user.value)
    assert "app" not in str(by_other_bytes.value)


def test_the_sealed_secret_is_recorded_once_also_after_the_end() -> None:
    walk = Walk()
    assert len(send(walk.granted())) == 1
    for sent in (walk.uploading(), evolve(walk.writing(), walk.uploaded())):
        assert send(sent) == []
        with pytest.raises(AlreadyExistsError):
            send(sent, ciphertext=b"x" * 528)


def test_another_user_does_not_learn_that_a_request_exists() -> None:
    walk = Walk()
    with pytest.raises(NotFoundError) as others:
        send(walk.granted(), subject="bob")
    with pytest.raises(NotFoundError) as missing:
        send(NEW)
    assert str(others.value) == str(missing.value)


@pytest.mark.parametrize("size", [527, 529, 1024, 262_144 + 16])
def test_lengths_that_the_grant_does_not_allow_are_refused(size: int) -> None:
    with pytest.raises(UsageError, match="ciphertext"):
        send(Walk().granted(), ciphertext=bytes(size))


@pytest.mark.parametrize("padded", [512, 1024, 131_072])
def test_padded_sizes_up_to_the_grants_limit_are_taken(padded: int) -> None:
    """The log says how many bytes came: the encapsulated key and the ciphertext with its tag."""
    (event,) = send(Walk().granted(), ciphertext=bytes(padded + 16))
    assert isinstance(event, events_pb2.SecretUploadRequested)
    assert event.size == 1120 + padded + 16


def test_bytes_before_there_is_a_key_conflict_and_those_after_the_end_are_answered_with_it() -> None:
    walk = Walk()
    with pytest.raises(ConflictError):
        send(walk.requested())
    (end,) = fail_by_m8(walk.granted(), upload_pb2.REASON_EXPIRED)
    assert send(evolve(walk.granted(), end)) == []


@pytest.mark.parametrize("state", [Walk.requested, Walk.granted, Walk.uploading])
def test_m8_may_end_a_request_before_writing(state: Callable[[Walk], Upload]) -> None:
    upload = state(Walk())
    (event,) = fail_by_m8(upload, upload_pb2.REASON_KEY_LOST)
    assert evolve(upload, event).state is State.ENDED


def test_m8_never_ends_a_request_that_may_have_been_written() -> None:
    walk = Walk()
    for upload in (walk.writing(), evolve(walk.writing(), walk.uploaded()), NEW):
        with pytest.raises(WrongStepError):
            fail_by_m8(upload, upload_pb2.REASON_KEY_LOST)


@pytest.mark.parametrize(
    ("states", "reason", "just_before", "then"),
    [
        ([Walk.requested], upload_pb2.REASON_NO_REACTOR, {"age_s": 59.999}, {"age_s": 60}),
        ([Walk.granted], upload_pb2.REASON_EXPIRED, {"age_s": 359.999}, {"age_s": 360}),
        ([Walk.granted, Walk.uploading], upload_pb2.REASON_KEY_LOST, {"silent_s": 9.999}, {"silent_s": 10}),
        (
            [Walk.requested, Walk.granted, Walk.uploading],
            upload_pb2.REASON_STORE_INACTIVE,
            {"age_s": 1},
            {"age_s": 1, "active": False},
        ),
    ],
    ids=["nobody answers", "nobody uses the grant", "its issuer is gone", "its store is deactivated"],
)
def test_a_request_ends_in_time(
    states: list[AtState], reason: upload_pb2.Reason, just_before: dict[str, Any], then: dict[str, Any]
) -> None:
    for state in states:
        assert due(state(Walk()), **just_before) == upload_pb2.REASON_UNSPECIFIED
        assert due(state(Walk()), **then) == reason


def test_a_write_under_way_has_no_deadline_of_m8s() -> None:
    assert due(Walk().writing(), 10_000, active=False, silent_s=1000) == upload_pb2.REASON_UNSPECIFIED


def due(upload: Upload, age_s: float = 20, *, active: bool = True, silent_s: float = 0) -> upload_pb2.Reason:
    """The issuer was heard just now unless said otherwise."""
    return overdue(upload, age_ms=age_s * 1000, silent_ms=silent_s * 1000, store_active=active, deadlines=Deadlines())

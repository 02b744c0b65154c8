"""What a user may send and a reactor may say about a request, and every lie that m8 refuses to record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import AlreadyExistsError, ConflictError, NotFoundError, RefusedError, UsageError
from monoskope.m8.domain.append import append_by_reactor
from monoskope.m8.domain.upload import NEW, Deadlines, Upload, evolve, fail_by_m8, overdue, request_key, request_upload
from monoskope.protocol.events import ReactorEvent
from monoskope.protocol.grant import Grant, make_grant
from monoskope.protocol.identity import ProofError
from monoskope.protocol.outcomes import State, WrongStepError
from monoskope.protocol.request import Request, make_request
from monoskope.uri import SecretUri
from tests.support.m8_walk import CIPHERTEXT, ENCAPSULATED, ISSUER, PEER, Walk, fingerprints
from tests.support.vectors import KEY_ID, Signer, a_grant, a_request

OTHER_KEY = "0123456789abcdef"


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
def test_a_replica_may_end_a_request_before_writing_without_a_receipt(upload: Callable[[Walk], Upload]) -> None:
    walk = Walk()
    event = events_pb2.SecretUploadFailed(reason=upload_pb2.REASON_RATE_LIMITED)
    assert append_by_reactor(upload(walk), event, walk.by(PEER)) == [event]


@pytest.mark.parametrize(
    ("reason", "retry_after_s"), [(upload_pb2.REASON_CANNOT_READ, 1), (upload_pb2.REASON_RATE_LIMITED, 86_401)]
)
def test_a_time_to_come_back_goes_with_a_limit_and_is_a_day_at_most(
    reason: upload_pb2.Reason, retry_after_s: int
) -> None:
    walk = Walk()
    event = events_pb2.SecretUploadFailed(reason=reason, retry_after_s=retry_after_s)
    with pytest.raises(UsageError, match="retry_after_s"):
        append_by_reactor(walk.requested(), event, walk.by())


def test_once_writing_began_a_failure_needs_a_receipt() -> None:
    walk = Walk()
    with pytest.raises(UsageError, match="receipt"):
        append_by_reactor(walk.writing(), events_pb2.SecretUploadFailed(reason=upload_pb2.REASON_KEY_LOST), walk.by())
    assert append_by_reactor(walk.writing(), walk.failed(upload_pb2.REASON_KEY_LOST), walk.by(PEER))


def test_a_failure_signed_before_writing_began_does_not_end_a_write() -> None:
    walk = Walk()
    writing = walk.writing()
    walk.digest = b""
    assert append_by_reactor(walk.uploading(), walk.failed(upload_pb2.REASON_KEY_LOST), walk.by(PEER))
    with pytest.raises(ConflictError, match="before writing"):
        append_by_reactor(writing, walk.failed(upload_pb2.REASON_KEY_LOST), walk.by(PEER))


def test_a_failure_says_what_its_receipt_says() -> None:
    walk = Walk()
    event = walk.failed(upload_pb2.REASON_CONFLICT)
    event.reason = upload_pb2.REASON_KEY_LOST
    with pytest.raises(UsageError, match="reason"):
        append_by_reactor(walk.uploading(), event, walk.by())
    with pytest.raises(UsageError, match="reason"):
        append_by_reactor(walk.uploading(), events_pb2.SecretUploadFailed(), walk.by())


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
class TestReceipts:
    """Each must be signed by the store's identity and be about this grant and these sealed bytes."""

    def test_one_of_another_identity_is_refused(
        self, state: Callable[[Walk], Upload], event: Callable[[Walk], ReactorEvent]
    ) -> None:
        walk = Walk()
        upload = state(walk)
        walk.signer = Signer()
        with pytest.raises(ProofError):
            append_by_reactor(upload, event(walk), walk.by(identity=Signer().shown))

    def test_one_of_another_grant_is_refused(
        self, state: Callable[[Walk], Upload], event: Callable[[Walk], ReactorEvent]
    ) -> None:
        walk = Walk()
        upload = state(walk)
        walk.grant = a_grant(walk.request, replica=ISSUER)
        with pytest.raises(ProofError, match="another grant"):
            append_by_reactor(upload, event(walk), walk.by())

    def test_one_of_other_sealed_bytes_is_refused(
        self, state: Callable[[Walk], Upload], event: Callable[[Walk], ReactorEvent]
    ) -> None:
        walk = Walk()
        upload = state(walk)
        walk.digest = b"x" * 32
        with pytest.raises(ProofError, match="other sealed bytes"):
            append_by_reactor(upload, event(walk), walk.by())

    def test_one_with_a_changed_signature_is_refused(
        self, state: Callable[[Walk], Upload], event: Callable[[Walk], ReactorEvent]
    ) -> None:
        walk = Walk()
        appended = event(walk)
        assert not isinstance(appended, events_pb2.SecretUploadKeyProvided)
        signature = bytearray(appended.receipt.signature)
        signature[5] ^= 1
        appended.receipt.signature = bytes(signature)
        with pytest.raises(ProofError, match="signature"):
            append_by_reactor(state(walk), appended, walk.by())


@pytest.mark.parametrize("event", [Walk.started, Walk.unchanged])
def test_only_the_issuer_opens_and_writes(event: Callable[[Walk], ReactorEvent]) -> None:
    walk = Walk()
    with pytest.raises(WrongStepError):
        append_by_reactor(walk.uploading(), event(walk), walk.by(PEER))


def test_any_replica_may_finish_a_write() -> None:
    walk = Walk()
    unreadable = walk.uploaded(fingerprint="", values=())
    assert append_by_reactor(walk.writing(), unreadable, walk.by(PEER)) == [unreadable]


@pytest.mark.parametrize(
    ("kind", "receipt"),
    [
        (events_pb2.SecretUploadStarted, Walk.uploaded),
        (events_pb2.SecretUploaded, Walk.failed),
        (events_pb2.SecretUploadFailed, Walk.unchanged),
        (events_pb2.SecretCompared, Walk.uploaded),
    ],
)
def test_an_events_receipt_has_a_fitting_outcome(kind: Callable[..., Any], receipt: Callable[[Walk], Any]) -> None:
    walk = Walk()
    event = kind(receipt=receipt(walk).receipt)
    if isinstance(event, events_pb2.SecretUploadFailed):
        event.reason = upload_pb2.REASON_CONFLICT
    with pytest.raises(UsageError, match="outcome"):
        append_by_reactor(walk.uploading(), event, walk.by())


def test_a_comparison_cannot_end_as_an_upload() -> None:
    compare = Walk(a_request(purpose=upload_pb2.PURPOSE_COMPARE))
    with pytest.raises(ProofError, match="outcome"):
        append_by_reactor(compare.uploading(), compare.unchanged(), compare.by())


def test_uploaded_does_not_follow_without_started() -> None:
    walk = Walk()
    with pytest.raises(WrongStepError):
        append_by_reactor(walk.uploading(), walk.uploaded(), walk.by())
    with pytest.raises(WrongStepError):
        append_by_reactor(walk.writing(), walk.unchanged(), walk.by())


class TestGrants:
    """A grant is for this request, this user and the process that appends it."""

    def refuse(self, walk: Walk, grant: Grant, *, error: type[Exception] = ProofError, **by: Any) -> None:
        with pytest.raises(error):
            append_by_reactor(walk.requested(), walk.provided(grant), walk.by(**by))

    def test_one_of_another_request_is_refused(self) -> None:
        self.refuse(Walk(), a_grant(a_request(), replica=ISSUER))

    def test_one_for_another_user_is_refused(self) -> None:
        walk = Walk()
        self.refuse(walk, a_grant(walk.request, subject="bob", replica=ISSUER))

    def test_one_of_another_process_is_refused(self) -> None:
        walk = Walk()
        self.refuse(walk, walk.grant, replica=PEER)

    def test_one_of_another_identity_is_refused(self) -> None:
        walk = Walk()
        with pytest.raises(ProofError):
            append_by_reactor(walk.requested(), walk.provided(signer=Signer()), walk.by())

    def test_one_with_a_fingerprint_key_that_is_not_allowed_is_refused(self) -> None:
        walk = Walk()
        self.refuse(walk, walk.grant, error=RefusedError, key_ids=frozenset({OTHER_KEY}))

    def test_a_second_one_is_refused(self) -> None:
        walk = Walk()
        with pytest.raises(WrongStepError):
            append_by_reactor(walk.granted(), walk.provided(), walk.by())

    def test_a_receipt_before_any_grant_is_refused(self) -> None:
        walk = Walk()
        with pytest.raises(ProofError, match="without a grant"):
            append_by_reactor(walk.requested(), walk.failed(), walk.by())


class TestFingerprintKeyIds:
    """m8 refuses other key ids than the allowed ones and the grant's."""

    def test_a_receipt_under_a_foreign_key_is_refused(self) -> None:
        walk = Walk()
        event = walk.uploaded(**fingerprints(OTHER_KEY))
        with pytest.raises(RefusedError, match=OTHER_KEY):
            append_by_reactor(walk.writing(), event, walk.by())

    def test_a_rotation_that_ended_meanwhile_does_not_lose_a_finished_write(self) -> None:
        walk = Walk()
        assert append_by_reactor(walk.writing(), walk.uploaded(), walk.by(key_ids=frozenset({OTHER_KEY})))

    def test_during_a_rotation_both_count(self) -> None:
        walk = Walk()
        event = walk.uploaded(**fingerprints(OTHER_KEY))
        assert append_by_reactor(walk.writing(), event, walk.by(key_ids=frozenset({KEY_ID, OTHER_KEY})))


class TestVersions:
    """What was expected and announced is what was replaced."""

    def test_another_version_than_expected_is_not_replaced(self) -> None:
        walk = Walk(expecting(upload_pb2.EXPECT_VERSION, "3"))
        assert append_by_reactor(walk.uploading(), walk.started("3"), walk.by())
        with pytest.raises(ConflictError):
            append_by_reactor(walk.uploading(), walk.started("4"), walk.by())
        with pytest.raises(ConflictError):
            append_by_reactor(walk.writing("3"), walk.uploaded("5", "4"), walk.by())

    def test_absent_replaces_nothing(self) -> None:
        walk = Walk(expecting(upload_pb2.EXPECT_ABSENT))
        assert append_by_reactor(walk.uploading(), walk.started(), walk.by())
        with pytest.raises(ConflictError):
            append_by_reactor(walk.uploading(), walk.started("1"), walk.by())

    @pytest.mark.parametrize("expect", [upload_pb2.EXPECT_ANY, upload_pb2.EXPECT_OVERWRITE])
    def test_a_check_and_set_that_was_tried_again_is_recorded_as_it_was(self, expect: upload_pb2.Expect) -> None:
        walk = Walk(expecting(expect))
        assert append_by_reactor(walk.writing("1"), walk.uploaded("3", "2"), walk.by())


def test_a_grant_that_is_not_well_formed_is_refused() -> None:
    walk = Walk()
    grant = make_grant(
        request=walk.request,
        subject="anna",
        public_key=bytes(1216),
        replica=ISSUER,
        lifetime_s=300,
        max_plaintext=512,
        fingerprint_key_id=KEY_ID,
    )
    with pytest.raises(UsageError, match="serialised"):
        append_by_reactor(
            walk.requested(), walk.provided(replace(grant, content=grant.content + b"\x9a\x06\x00")), walk.by()
        )


UNSPECIFIED = upload_pb2.REASON_UNSPECIFIED


def send(upload: Upload, *, subject: str = "anna", ciphertext: bytes = CIPHERTEXT) -> list[object]:
    return list(
        request_upload(upload, subject=subject, encapsulated_key=ENCAPSULATED, ciphertext=ciphertext, last_receipt=None)
    )


def test_asking_again_with_the_same_bytes_and_subject_records_nothing() -> None:
    walk = Walk()
    (event,) = request_key(NEW, request=walk.request, subject="anna", last_receipt=None)
    again = request_key(evolve(NEW, event), request=walk.request, subject="anna", last_receipt=None)
    assert again == []


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


def test_the_sealed_secret_is_recorded_once() -> None:
    walk = Walk()
    assert len(send(walk.granted())) == 1
    assert send(walk.uploading()) == []
    with pytest.raises(AlreadyExistsError):
        send(walk.uploading(), ciphertext=b"x" * 528)


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


def test_sealing_before_there_is_a_key_conflicts() -> None:
    with pytest.raises(ConflictError):
        send(Walk().requested())


def test_bytes_that_come_after_the_end_are_answered_with_it() -> None:
    walk = Walk()
    (end,) = fail_by_m8(walk.granted(), upload_pb2.REASON_EXPIRED)
    assert send(evolve(walk.granted(), end)) == []


def test_bytes_other_than_those_sent_are_refused_even_after_the_end() -> None:
    walk = Walk()
    ended = evolve(walk.writing(), walk.uploaded())
    assert send(ended) == []
    with pytest.raises(AlreadyExistsError):
        send(ended, ciphertext=b"x" * 528)


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


class TestDeadlines:
    """The issuer was heard just now unless said otherwise."""

    def reason(self, upload: Upload, age_s: float, *, active: bool = True, silent_s: float = 0) -> upload_pb2.Reason:
        return overdue(
            upload, age_ms=age_s * 1000, silent_ms=silent_s * 1000, store_active=active, deadlines=Deadlines()
        )

    def test_a_request_that_nobody_answers_ends(self) -> None:
        upload = Walk().requested()
        assert self.reason(upload, 59.999) == UNSPECIFIED
        assert self.reason(upload, 60) == upload_pb2.REASON_NO_REACTOR

    def test_a_grant_that_nobody_uses_ends(self) -> None:
        upload = Walk().granted()
        assert self.reason(upload, 359.999) == UNSPECIFIED
        assert self.reason(upload, 360) == upload_pb2.REASON_EXPIRED

    @pytest.mark.parametrize("state", [Walk.granted, Walk.uploading])
    def test_a_request_whose_issuer_is_gone_ends(self, state: Callable[[Walk], Upload]) -> None:
        upload = state(Walk())
        assert self.reason(upload, 20, silent_s=9.999) == UNSPECIFIED
        assert self.reason(upload, 20, silent_s=10) == upload_pb2.REASON_KEY_LOST

    @pytest.mark.parametrize("state", [Walk.requested, Walk.granted, Walk.uploading])
    def test_a_request_of_a_deactivated_store_ends(self, state: Callable[[Walk], Upload]) -> None:
        assert self.reason(state(Walk()), 1, active=False) == upload_pb2.REASON_STORE_INACTIVE

    def test_a_write_under_way_has_no_deadline_of_m8s(self) -> None:
        assert self.reason(Walk().writing(), 10_000, active=False, silent_s=1000) == UNSPECIFIED

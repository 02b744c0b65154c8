"""What users and m8 may do to a request (docs/protocol.md, The walk)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import AlreadyExistsError, ConflictError, NotFoundError, UsageError
from monoskope.m8.domain.upload import NEW, Deadlines, Upload, evolve, fail_by_m8, overdue, request_key, request_upload
from monoskope.protocol.outcomes import State, WrongStepError
from tests.support.m8_walk import CIPHERTEXT, ENCAPSULATED, Walk
from tests.support.vectors import a_request

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

"""What is left of a receipt for programs that are older than some of its fields."""

from __future__ import annotations

from typing import Any

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.older import without_later_fields
from monoskope.protocol.receipt import make_receipt
from tests.support.receipts import COPY_GRANT, GRANT, SEALED, copied_by, put_grant


def test_a_lost_key_is_lost_without_the_process_that_says_so() -> None:
    failed: dict[str, Any] = {
        "sealed_sha256": SEALED,
        "outcome": upload_pb2.OUTCOME_FAILED,
        "reason": upload_pb2.REASON_KEY_LOST,
    }
    lost = make_receipt(grant=GRANT, replica=bytes(16), **failed)
    assert without_later_fields(lost) == make_receipt(grant=GRANT, **failed)


def test_a_limit_is_a_limit_without_the_time_to_come_back() -> None:
    failed: dict[str, Any] = {
        "sealed_sha256": SEALED,
        "outcome": upload_pb2.OUTCOME_FAILED,
        "reason": upload_pb2.REASON_RATE_LIMITED,
    }
    limited = make_receipt(grant=GRANT, retry_after_s=1, **failed)
    assert without_later_fields(limited) == make_receipt(grant=GRANT, **failed)


def test_a_copy_is_a_copy_without_the_destinations_grant() -> None:
    copied = copied_by(put_grant())
    older = without_later_fields(copied)
    assert older is not None
    assert (older.destination, older.destination_grant) == (copied.destination, None)
    assert older.grant_sha256 == COPY_GRANT.sha256


def test_what_the_first_version_1_knew_stays_as_it_is() -> None:
    uploaded = make_receipt(
        grant=GRANT, sealed_sha256=SEALED, outcome=upload_pb2.OUTCOME_UPLOADED, upstream_version="1@x"
    )
    assert without_later_fields(uploaded) is None


def test_what_is_not_found_was_a_conflict_before_and_had_no_detail() -> None:
    failed: dict[str, Any] = {"sealed_sha256": SEALED, "outcome": upload_pb2.OUTCOME_FAILED}
    absent = make_receipt(grant=GRANT, reason=upload_pb2.REASON_NOT_FOUND, **failed)
    assert without_later_fields(absent) == make_receipt(grant=GRANT, reason=upload_pb2.REASON_CONFLICT, **failed)
    refused = make_receipt(grant=GRANT, reason=upload_pb2.REASON_UPSTREAM_REFUSED, detail="no.", **failed)
    plain = make_receipt(grant=GRANT, reason=upload_pb2.REASON_UPSTREAM_REFUSED, **failed)
    assert without_later_fields(refused) == plain

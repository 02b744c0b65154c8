from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import UsageError
from monoskope.protocol.grant import Grant
from monoskope.protocol.identity import RECEIPT, UPLOAD_GRANT, ProofError, check_shown, shown
from monoskope.protocol.open_receipt import open_receipt, put_request_id
from monoskope.protocol.receipt import (
    Receipt,
    make_receipt,
    parse_receipt,
    sealed_digest,
    write_tag,
)
from monoskope.protocol.wire import MalformedError, serialise
from monoskope.testing.scripted.m8 import PUBLIC
from tests.support.receipts import (
    COMPARE_GRANT,
    COPY_GRANT,
    DELETE_GRANT,
    DESTINATION,
    FP,
    GENERATE_GRANT,
    GOOD,
    GRANT,
    GRANTS,
    IMPORT_GRANT,
    ROLLBACK_GRANT,
    SEALED,
    SIGNER,
    THERE_GRANT,
    UNDELETE_GRANT,
    VERIFY_GRANT,
    copied_by,
    put_grant,
    receipt,
    there,
)
from tests.support.vectors import KEY_ID, VECTORS, Signer, a_grant, a_request

THIS_ONE_GRANT = a_grant(
    a_request(purpose=upload_pb2.PURPOSE_UNDELETE, expect=upload_pb2.EXPECT_VERSION, expect_version="1@x")
)


def opened(found: Receipt, *, grant: Grant = GRANT, sealed: bytes | None = SEALED) -> Receipt:
    signed = SIGNER.sign(RECEIPT, found.content)
    return open_receipt(signed, identity=SIGNER.shown, grant=grant, sealed_sha256=sealed)


@pytest.mark.parametrize("kind", GOOD)
def test_every_outcome_has_a_good_form_that_opens(kind: str) -> None:
    grant = GRANTS.get(kind, GRANT)
    assert opened(receipt(kind, grant=grant), grant=grant).outcome == GOOD[kind]["outcome"]


@pytest.mark.parametrize(
    ("kind", "field", "fields"),
    [
        ("UPLOADED", "outcome", {"outcome": 0}),
        ("UPLOADED", "outcome", {"outcome": 99}),
        ("UPLOADED", "reason", {"reason": upload_pb2.REASON_CONFLICT}),
        ("FAILED", "reason", {"reason": 0}),
        ("FAILED", "reason", {"reason": 16}),
        ("FAILED", "retry_after_s", {"retry_after_s": 1}),
        ("UPLOADED", "retry_after_s", {"retry_after_s": 1}),
        ("FAILED", "retry_after_s", {"reason": upload_pb2.REASON_RATE_LIMITED, "retry_after_s": 86_401}),
        ("UPLOADED", "sealed_sha256", {"sealed": b""}),
        ("UPLOADED", "sealed_sha256", {"sealed": b"x" * 31}),
        ("FAILED", "sealed_sha256", {"sealed": b"x" * 31}),
        ("UPLOADED", "intent", {"intent": b"i" * 32}),
        ("STARTED", "intent", {"intent": b"i" * 31}),
        ("STARTED", "intent", {"intent": b""}),
        ("UPLOADED", "upstream_version", {"upstream_version": ""}),
        ("UNCHANGED", "upstream_version", {"upstream_version": ""}),
        ("EQUAL", "upstream_version", {"upstream_version": ""}),
        ("UPLOADED", "upstream_version", {"upstream_version": "a b"}),
        ("STARTED", "prior_version", {"prior_version": "x" * 257}),
        ("UNCHANGED", "prior_version", {"prior_version": "1@x"}),
        ("EQUAL", "prior_version", {"prior_version": "1@x"}),
        ("FAILED", "prior_version", {"prior_version": "1@x"}),
        ("DELETED", "prior_version", {"prior_version": ""}),
        ("DELETED", "upstream_version", {"upstream_version": "1@x"}),
        ("DELETED", "fingerprint", {"fingerprint": FP, "values": [("a", FP)]}),
        ("EQUAL", "fingerprint", {"fingerprint": FP, "values": [("a", FP)]}),
        ("STARTED", "fingerprint", {"fingerprint": FP, "values": [("a", FP)]}),
        ("UNCHANGED", "fingerprint", {"fingerprint": "", "values": []}),
        ("UPLOADED", "values", {"values": []}),
        ("UPLOADED unreadable", "values", {"values": [("a", FP)]}),
        ("UPLOADED", "fingerprint", {"fingerprint": FP[:-1]}),
        ("UPLOADED", "fingerprint", {"values": [("a", FP.upper())]}),
        ("UPLOADED", "values", {"values": [("a", FP.replace(KEY_ID, "0" * 16))]}),
        ("UPLOADED", "values", {"values": [("b", FP), ("a", FP)]}),
        ("UPLOADED", "values", {"values": [("a", FP), ("a", FP)]}),
        ("UPLOADED", "values", {"values": [("..a", FP)]}),
        ("UPLOADED", "values", {"values": [(f"k{number:03}", FP) for number in range(129)]}),
        ("UNCHANGED", "public_values", {"public_values": [("a", PUBLIC)]}),
        ("GENERATED", "public_values", {"public_values": [("b", PUBLIC), ("a", PUBLIC)]}),
        ("GENERATED", "public_values", {"public_values": [("a", PUBLIC), ("a", PUBLIC)]}),
        ("GENERATED", "public_values", {"public_values": [("..a", PUBLIC)]}),
        ("GENERATED", "public_values", {"public_values": [("a", "")]}),
        ("GENERATED", "public_values", {"public_values": [("a", PUBLIC.replace("PUBLIC", "PRIVATE"))]}),
        ("GENERATED", "public_values", {"public_values": [("a", PUBLIC + PUBLIC)]}),
        (
            "GENERATED",
            "public_values",
            {"public_values": [("a", PUBLIC.replace("MCo", "MCo" + 40 * ("A" * 60 + "\n")))]},
        ),
        ("COPIED", "destination", {"destination": None}),
        ("UPLOADED", "destination", {"destination": upload_pb2.Signed(content=b"x")}),
        ("UPLOADED", "destination_grant", {"destination_grant": upload_pb2.Signed(content=b"x")}),
        ("COPIED", "upstream_version", {"upstream_version": ""}),
        ("COPIED", "fingerprint", {"fingerprint": "", "values": []}),
        ("COPIED", "prior_version", {"prior_version": "1@x"}),
        ("IN_SYNC", "verified_sha256", {"verified_sha256": b""}),
        ("DRIFTED", "verified_sha256", {"verified_sha256": b"v" * 31}),
        ("GONE", "verified_sha256", {"verified_sha256": b"v" * 33}),
        ("UPLOADED", "verified_sha256", {"verified_sha256": b"v" * 32}),
        ("IN_SYNC", "prior_version", {"prior_version": "1@x"}),
        ("IN_SYNC", "fingerprint", {"fingerprint": FP, "values": [("a", FP)]}),
        ("DRIFTED", "upstream_version", {"upstream_version": ""}),
        ("GONE", "upstream_version", {"upstream_version": "1@x"}),
        ("IMPORTED", "upstream_version", {"upstream_version": ""}),
        ("IMPORTED", "fingerprint", {"fingerprint": "", "values": []}),
        ("IMPORTED", "prior_version", {"prior_version": "1@x"}),
        ("UNDELETED", "restored_version", {"restored_version": ""}),
        ("UNDELETED", "restored_version", {"restored_version": "a b"}),
        ("UNDELETED", "upstream_version", {"upstream_version": ""}),
        ("UNDELETED", "prior_version", {"prior_version": "1@x"}),
        ("ROLLED_BACK", "restored_version", {"restored_version": ""}),
        ("ROLLED_BACK", "upstream_version", {"upstream_version": ""}),
        ("STARTED", "restored_version", {"restored_version": "x" * 257}),
        ("UPLOADED", "restored_version", {"restored_version": "1@x"}),
        ("DELETED", "restored_version", {"restored_version": "1@x"}),
        ("FAILED", "restored_version", {"restored_version": "1@x"}),
        ("DIFFERENT", "differences", {"differences": []}),
        ("EQUAL", "differences", {"differences": GOOD["DIFFERENT"]["differences"]}),
        ("DIFFERENT", "differences", {"differences": [("a", 0)]}),
        ("DIFFERENT", "differences", {"differences": [("a", 4)]}),
        ("DIFFERENT", "differences", {"differences": [("b", 1), ("a", 1)]}),
    ],
)
def test_a_field_that_breaks_its_rule_is_named(kind: str, field: str, fields: dict[str, Any]) -> None:
    with pytest.raises(MalformedError) as caught:
        receipt(kind, **fields)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("kind", "grant", "fields"),
    [
        ("STARTED", UNDELETE_GRANT, {"prior_version": ""}),
        ("STARTED", ROLLBACK_GRANT, {}),
        ("STARTED rollback", GRANT, {}),
        ("STARTED undelete", DELETE_GRANT, {}),
        ("STARTED rollback", ROLLBACK_GRANT, {"restored_version": "2@x"}),
        ("ROLLED_BACK", ROLLBACK_GRANT, {"restored_version": "2@x"}),
        ("STARTED undelete", THIS_ONE_GRANT, {"restored_version": "2@x"}),
        ("UNDELETED", THIS_ONE_GRANT, {"restored_version": "2@x"}),
        ("UNDELETED", ROLLBACK_GRANT, {}),
        ("ROLLED_BACK", UNDELETE_GRANT, {}),
    ],
)
def test_a_receipt_that_brings_back_something_else_than_was_asked_is_none(
    kind: str, grant: Grant, fields: dict[str, Any]
) -> None:
    with pytest.raises(ProofError):
        opened(receipt(kind, grant=grant, **fields), grant=grant)


def test_an_undeletion_of_the_version_that_was_asked_for_opens() -> None:
    for kind in ("STARTED undelete", "UNDELETED"):
        assert opened(receipt(kind, grant=THIS_ONE_GRANT), grant=THIS_ONE_GRANT).restored_version == "1@x"


@pytest.mark.parametrize(("field", "value"), [("grant_sha256", b"x" * 31), ("uri", "vault://..")])
def test_fields_that_come_from_the_grant_are_checked_too(field: str, value: object) -> None:
    message = upload_pb2.Receipt()
    message.ParseFromString(receipt("UPLOADED").content)
    setattr(message, field, value)
    with pytest.raises(MalformedError) as caught:
        parse_receipt(serialise(message))
    assert caught.value.field == field


def test_another_identity_is_refused() -> None:
    signed = Signer().sign(RECEIPT, receipt("UPLOADED").content)
    with pytest.raises(ProofError, match="not by the store's identity"):
        open_receipt(signed, identity=SIGNER.shown, grant=GRANT, sealed_sha256=SEALED)


def test_a_signature_under_another_label_is_refused() -> None:
    signed = SIGNER.sign(UPLOAD_GRANT, receipt("UPLOADED").content)
    with pytest.raises(ProofError, match="does not verify"):
        open_receipt(signed, identity=SIGNER.shown, grant=GRANT, sealed_sha256=SEALED)


def test_a_receipt_for_another_grant_is_refused() -> None:
    with pytest.raises(ProofError, match="another grant"):
        opened(receipt("UPLOADED", grant=a_grant(a_request())))


def test_a_receipt_that_names_another_secret_is_refused() -> None:
    message = upload_pb2.Receipt()
    message.ParseFromString(receipt("UPLOADED").content)
    message.uri = "vault://app/other"
    with pytest.raises(ProofError, match="another secret"):
        opened(parse_receipt(serialise(message)))


@pytest.mark.parametrize("kind", sorted(GRANTS.keys() - {"GENERATED"}))
def test_what_answers_one_purpose_answers_no_other(kind: str) -> None:
    for other in (GRANT, COMPARE_GRANT, DELETE_GRANT, VERIFY_GRANT, IMPORT_GRANT, GENERATE_GRANT, COPY_GRANT):
        if other is not GRANTS[kind]:
            with pytest.raises(ProofError, match=r"does not fit|brought back"):
                opened(receipt(kind, grant=other), grant=other)


@pytest.mark.parametrize(
    ("destination", "why"),
    [
        (upload_pb2.Signed(content=b"x"), "malformed"),
        (there("EQUAL", grant=a_grant(a_request(uri=str(DESTINATION), purpose=upload_pb2.PURPOSE_COMPARE))), "else"),
        (there(grant=a_grant(a_request(uri="local://app/other"))), "else"),
        (there(fingerprint=FP[:-1] + "1"), "another hash"),
        (there("UPLOADED unreadable"), "another hash"),
    ],
)
def test_a_copy_is_proven_by_the_destinations_own_receipt_of_the_same_content(
    destination: upload_pb2.Signed, why: str
) -> None:
    with pytest.raises(ProofError, match=why):
        opened(receipt("COPIED", grant=COPY_GRANT, destination=destination), grant=COPY_GRANT)


@pytest.mark.parametrize(
    ("copied", "why"),
    [
        (copied_by(THERE_GRANT), "another request"),
        (copied_by(put_grant(request_id=COPY_GRANT.request.request_id)), "another request"),
        (copied_by(put_grant(uri="local://app/other"), answers=put_grant()), "another secret"),
        (copied_by(put_grant(expect=upload_pb2.EXPECT_OVERWRITE)), "expects something else"),
        (copied_by(put_grant(expect=upload_pb2.EXPECT_VERSION, expect_version="1")), "expects something else"),
        (copied_by(put_grant(purpose=upload_pb2.PURPOSE_COMPARE), answers=put_grant()), "not for a put"),
        (copied_by(put_grant(), answers=put_grant()), "receipt is for another grant"),
        (
            receipt("COPIED", grant=COPY_GRANT, destination=there(), destination_grant=upload_pb2.Signed(content=b"x")),
            "malformed",
        ),
    ],
)
def test_a_copy_is_proven_by_the_put_that_has_its_own_id(copied: Receipt, why: str) -> None:
    with pytest.raises(ProofError, match=why):
        opened(copied, grant=COPY_GRANT)
    assert opened(copied_by(put_grant()), grant=COPY_GRANT).outcome == upload_pb2.OUTCOME_COPIED


def test_put_request_id_vector() -> None:
    vector = VECTORS["copy_request"]
    assert put_request_id(bytes.fromhex(vector["copy_request_id"])).hex() == vector["put_request_id"]


def test_a_copy_of_what_was_there_already_is_one() -> None:
    unchanged = receipt("COPIED", grant=COPY_GRANT, destination=there("UNCHANGED"))
    assert opened(unchanged, grant=COPY_GRANT).outcome == upload_pb2.OUTCOME_COPIED


def test_public_halves_belong_to_what_was_to_be_made() -> None:
    for public in ([("b", PUBLIC)], [("a", PUBLIC), ("b", PUBLIC)]):
        with pytest.raises(ProofError, match="public halves"):
            opened(receipt("GENERATED", grant=GENERATE_GRANT, public_values=public), grant=GENERATE_GRANT)
    with pytest.raises(ProofError, match="public halves"):
        opened(receipt("GENERATED"))
    assert not opened(receipt("GENERATED", grant=GENERATE_GRANT, public_values=[]), grant=GENERATE_GRANT).public_values
    with pytest.raises(ProofError, match="does not fit"):
        opened(receipt("UNCHANGED", grant=GENERATE_GRANT), grant=GENERATE_GRANT)


@pytest.mark.parametrize("kind", ["EQUAL", "DIFFERENT"])
def test_a_comparison_is_no_upload(kind: str) -> None:
    with pytest.raises(ProofError, match="does not fit"):
        opened(receipt(kind))


@pytest.mark.parametrize("kind", ["UPLOADED", "UNCHANGED", "STARTED"])
def test_an_upload_is_no_comparison(kind: str) -> None:
    with pytest.raises(ProofError, match="does not fit"):
        opened(receipt(kind, grant=COMPARE_GRANT), grant=COMPARE_GRANT)


@pytest.mark.parametrize("kind", ["UPLOADED", "UNCHANGED", "FAILED"])
@pytest.mark.parametrize("sealed", [b"t" * 32, None])
def test_a_receipt_for_other_sealed_bytes_is_refused(kind: str, sealed: bytes | None) -> None:
    with pytest.raises(ProofError, match="other sealed bytes"):
        opened(receipt(kind), sealed=sealed)


@pytest.mark.parametrize("sealed", [SEALED, None])
def test_a_failure_may_come_from_a_reactor_that_saw_no_sealed_bytes(sealed: bytes | None) -> None:
    assert opened(receipt("FAILED", sealed=b""), sealed=sealed).reason == upload_pb2.REASON_CONFLICT


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_parser(content: bytes) -> None:
    try:
        found = parse_receipt(content)
    except MalformedError:
        return
    assert found.content == content


def test_write_tag_vector() -> None:
    vector = VECTORS["write_tag"]
    tag = write_tag(bytes.fromhex(vector["grant_sha256"]), bytes.fromhex(vector["sealed_sha256"]))
    assert tag.hex() == vector["write_tag"]


def test_sealed_digest_is_over_both_parts() -> None:
    assert sealed_digest(b"ab", b"c") == sealed_digest(b"a", b"bc") != sealed_digest(b"a", b"b")


def test_identity_vector() -> None:
    vector = VECTORS["identity_fingerprint"]
    assert shown(bytes.fromhex(vector["public_key"])) == vector["shown"]
    assert check_shown(vector["shown"]) == vector["shown"]


@pytest.mark.parametrize("text", ["", "SHA256:", "SHA256:" + "a" * 42, "SHA256:" + "a" * 44, "sha256:" + "a" * 43])
def test_bad_shown_identities_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="43 characters"):
        check_shown(text)


def keys(count: int) -> list[str]:
    return [f"k{number:03}" for number in range(count)]


def test_a_receipt_has_as_many_values_as_a_secret_can_and_twice_as_many_differences() -> None:
    uploaded, missing = GOOD["UNCHANGED"], upload_pb2.DIFFERENCE_KIND_MISSING
    different: dict[str, Any] = {
        "grant": COMPARE_GRANT,
        "sealed_sha256": SEALED,
        "outcome": upload_pb2.OUTCOME_DIFFERENT,
    }
    for count in (1, 64):
        values = [(key, FP) for key in keys(count)]
        made = make_receipt(grant=GRANT, sealed_sha256=SEALED, **{**uploaded, "values": values})
        assert len(made.values) == count
    with pytest.raises(MalformedError) as caught:
        make_receipt(grant=GRANT, sealed_sha256=SEALED, **{**uploaded, "values": [(key, FP) for key in keys(65)]})
    assert caught.value.field == "values"
    assert len(make_receipt(**different, differences=[(key, missing) for key in keys(128)]).differences) == 128
    with pytest.raises(MalformedError) as caught:
        make_receipt(**different, differences=[(key, missing) for key in keys(129)])
    assert caught.value.field == "differences"


@pytest.mark.parametrize("vector", VECTORS["receipts"], ids=lambda vector: str(vector["name"]))
def test_receipts_that_were_encoded_by_hand(vector: dict[str, Any]) -> None:
    content = bytes.fromhex(vector["receipt"])
    if vector["malformed"]:
        with pytest.raises(MalformedError) as caught:
            parse_receipt(content)
        assert caught.value.field == vector["malformed"]
    else:
        parsed = parse_receipt(content)
        assert parsed.replica.hex() == vector["replica"]
        assert parsed.restored_version == vector.get("restored_version", "")
        assert parsed.retry_after_s == vector.get("retry_after_s", 0)
        assert parsed.detail == vector.get("detail", "")

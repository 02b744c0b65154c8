"""What vectors-messages.json leaves open of receipts; test_message_vectors.py checks all that it says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.grant import Grant
from monoskope.protocol.identity import RECEIPT, ProofError, check_shown, shown
from monoskope.protocol.listing import Listing
from monoskope.protocol.open_receipt import open_receipt, put_request_id
from monoskope.protocol.outcomes import is_detail
from monoskope.protocol.receipt import Receipt, make_receipt, parse_receipt, sealed_digest, write_tag
from monoskope.protocol.wire import MOST_FIELDS, MalformedError, parse
from monoskope.testing.scripted.m8 import PUBLIC
from tests.support.receipts import (
    COMPARE_GRANT,
    COPY_GRANT,
    DELETE_GRANT,
    FP,
    GENERATE_GRANT,
    GOOD,
    GRANT,
    GRANTS,
    IMPORT_GRANT,
    SEALED,
    SIGNER,
    VERIFY_GRANT,
    receipt,
    there,
)
from tests.support.vectors import VECTORS, a_grant, a_request

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


OWN: dict[str, tuple[dict[str, Any], set[str]]] = {
    "reason": ({"reason": upload_pb2.REASON_CONFLICT}, {"FAILED"}),
    "detail": ({"detail": "no."}, {"FAILED"}),
    "retry_after_s": ({"retry_after_s": 1}, set()),
    "intent": ({"intent": b"i" * 32}, {"STARTED"}),
    "prior_version": ({"prior_version": "1@x"}, {"UPLOADED", "DELETED", "STARTED", "ROLLED_BACK"}),
    "restored_version": ({"restored_version": "1@x"}, {"STARTED", "UNDELETED", "ROLLED_BACK"}),
    "fingerprint": (
        {"fingerprint": FP, "values": [("a", FP)]},
        {"UPLOADED", "UNCHANGED", "COPIED", "IMPORTED", "UNDELETED", "ROLLED_BACK"},
    ),
    "verified_sha256": ({"verified_sha256": b"v" * 32}, {"IN_SYNC", "DRIFTED", "GONE"}),
    "destination": ({"destination": upload_pb2.Signed(content=b"x")}, {"COPIED"}),
    "destination_grant": ({"destination_grant": upload_pb2.Signed(content=b"x")}, {"COPIED"}),
    "public_values": ({"public_values": [("a", PUBLIC)]}, {"UPLOADED"}),
    "differences": ({"differences": GOOD["DIFFERENT"]["differences"]}, {"DIFFERENT"}),
    "listed": ({"listed": Listing((), 0)}, {"LISTED"}),
}
"""Each field that some outcomes alone have, a value of it, and those outcomes."""


@pytest.mark.parametrize("field", OWN)
def test_a_field_belongs_to_its_outcomes_alone(field: str) -> None:
    fields, names = OWN[field]
    for kind, good in GOOD.items():
        if good["outcome"] not in map(_outcome, names):
            with pytest.raises(MalformedError) as caught:
                receipt(kind, **fields)
            assert (caught.value.field, kind) == (field, kind)


def _outcome(name: str) -> int:
    return upload_pb2.Outcome.Value(f"OUTCOME_{name}")


@pytest.mark.parametrize(
    ("field", "kinds"),
    [
        ("upstream_version", "UPLOADED UNCHANGED EQUAL COPIED DRIFTED IMPORTED UNDELETED ROLLED_BACK"),
        ("fingerprint", "UNCHANGED COPIED IMPORTED"),
        ("verified_sha256", "IN_SYNC DRIFTED GONE"),
        ("restored_version", "UNDELETED ROLLED_BACK"),
        ("intent", "STARTED"),
        ("prior_version", "DELETED"),
        ("destination", "COPIED"),
        ("differences", "DIFFERENT"),
        ("reason", "FAILED"),
    ],
)
def test_an_outcome_has_what_belongs_to_it(field: str, kinds: str) -> None:
    for kind in kinds.split():
        without = {"fingerprint", "values"} if field == "fingerprint" else {field}
        good = {name: value for name, value in GOOD[kind].items() if name not in without}
        with pytest.raises(MalformedError) as caught:
            make_receipt(grant=GRANT, sealed_sha256=SEALED, **good)
        assert (caught.value.field, kind) == (field, kind)


@pytest.mark.parametrize(
    ("kind", "field", "fields"),
    [
        ("UPLOADED", "values", {"values": []}),
        ("UPLOADED unreadable", "values", {"values": [("a", FP)]}),
        ("UPLOADED", "fingerprint", {"fingerprint": FP[:-1]}),
        ("UPLOADED", "values", {"values": [(f"k{number:03}", FP) for number in range(129)]}),
        ("GENERATED", "public_values", {"public_values": [("a", "")]}),
        ("GENERATED", "public_values", {"public_values": [("a", PUBLIC + PUBLIC)]}),
        ("STARTED", "restored_version", {"restored_version": "x" * 257}),
        ("STARTED", "intent", {"intent": b"i" * 31}),
        ("DRIFTED", "verified_sha256", {"verified_sha256": b"v" * 31}),
    ],
)
def test_a_field_that_breaks_a_rule_without_a_vector_is_named(kind: str, field: str, fields: dict[str, Any]) -> None:
    with pytest.raises(MalformedError) as caught:
        receipt(kind, **fields)
    assert caught.value.field == field


def test_an_undeletion_of_the_version_that_was_asked_for_opens() -> None:
    for kind in ("STARTED undelete", "UNDELETED"):
        assert opened(receipt(kind, grant=THIS_ONE_GRANT), grant=THIS_ONE_GRANT).restored_version == "1@x"


@pytest.mark.parametrize("kind", sorted(GRANTS.keys() - {"GENERATED"}))
def test_what_answers_one_purpose_answers_no_other(kind: str) -> None:
    for other in (GRANT, COMPARE_GRANT, DELETE_GRANT, VERIFY_GRANT, IMPORT_GRANT, GENERATE_GRANT, COPY_GRANT):
        if other is not GRANTS[kind]:
            with pytest.raises(ProofError, match=r"does not fit|brought back"):
                opened(receipt(kind, grant=other), grant=other)


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


def test_more_fields_than_any_message_has_are_not_taken_apart() -> None:
    content = upload_pb2.Receipt(values=[upload_pb2.ValueFingerprint()] * (MOST_FIELDS + 1)).SerializeToString()
    with pytest.raises(MalformedError, match="does not parse"):
        parse(upload_pb2.Receipt, content)


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


SENTENCE = "the value of password is not UTF-8 text, and this engine holds only text."


def test_a_failure_can_say_more_than_its_reason() -> None:
    assert receipt("FAILED", reason=upload_pb2.REASON_UPSTREAM_REFUSED, detail=SENTENCE).detail == SENTENCE


@pytest.mark.parametrize("detail", ["x" * 201, "two\nlines", "\x1b[2J", "\u202e", "é", "\x7f"])
def test_what_could_control_a_terminal_or_fill_it_is_no_detail(detail: str) -> None:
    assert not is_detail(detail)
    with pytest.raises(MalformedError, match="detail"):
        receipt("FAILED", detail=detail)


@pytest.mark.parametrize("kind", ["UPLOADED first", "STARTED", "EQUAL", "LISTED"])
def test_nothing_else_has_one(kind: str) -> None:
    with pytest.raises(MalformedError, match="detail"):
        receipt(kind, detail=SENTENCE)

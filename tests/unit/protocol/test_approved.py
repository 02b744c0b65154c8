"""Requests, grants and receipts of what takes approvals: where each field stands, and what a receipt proves of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.grant import MAX_APPROVALS, Grant, parse_grant
from monoskope.protocol.identity import RECEIPT, ProofError
from monoskope.protocol.open_receipt import check_copied, open_receipt, put_request_id
from monoskope.protocol.purposes import PURPOSES
from monoskope.protocol.receipt import Receipt, parse_receipt
from monoskope.protocol.request import is_reason, make_request, parse_request
from monoskope.protocol.wire import MalformedError, serialise
from tests.support.receipts import DESTINATION, GOOD, GRANTS, SEALED, SIGNER, receipt, there
from tests.support.vectors import a_grant, a_request

CHANGE, OTHER = b"c" * 32, b"d" * 32
WHY = "the database is down, and nobody answers"
ANNA, ANNAS = "anna@example.org", f"SHA256:{'a' * 43}"
BEN, EVA = ("ben@example.org", f"SHA256:{'b' * 43}"), ("eva@example.org", f"SHA256:{'e' * 43}")
SIGNED: dict[str, Any] = {"signer": ANNA, "signer_key": ANNAS}
OF_WRITES = {kind for kind in GOOD if kind != "FAILED" and GRANTS.get(kind, a_grant(a_request())).request.rules.writes}


def granted(kind: str, **fields: Any) -> Grant:
    """A grant that takes a signature, for the request that a receipt of this kind answers, with `fields` besides."""
    request = upload_pb2.UploadRequest.FromString(GRANTS.get(kind, a_grant(a_request())).request.content)
    for name, value in fields.items():
        setattr(request, name, value)
    return a_grant(parse_request(serialise(request)), signature_required=True)


def opened(found: Receipt, grant: Grant) -> Receipt:
    signed = SIGNER.sign(RECEIPT, found.content)
    return open_receipt(signed, identity=SIGNER.shown, grant=grant, sealed_sha256=SEALED)


def changed(found: Receipt, **fields: Any) -> Receipt:
    """A receipt with other fields, as who holds the identity can sign it."""
    message = upload_pb2.Receipt.FromString(found.content)
    for name, value in fields.items():
        message.ClearField(name)
        if name == "approvers":
            message.approvers.extend(upload_pb2.Approver(principal=one, key=key) for one, key in value)
        else:
            setattr(message, name, value)
    return parse_receipt(serialise(message))


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_request_names_a_change_or_breaks_the_glass_where_it_writes_and_never_both(
    purpose: upload_pb2.Purpose,
) -> None:
    grant = next((one for one in GRANTS.values() if one.request.purpose == purpose), a_grant(a_request()))
    message = upload_pb2.UploadRequest.FromString(grant.request.content)
    for name, value in (("change_sha256", CHANGE), ("break_glass", WHY)):
        given_one = upload_pb2.UploadRequest.FromString(grant.request.content)
        setattr(given_one, name, value)
        setattr(message, name, value)
        if PURPOSES[grant.request.purpose].writes:
            assert getattr(parse_request(serialise(given_one)), name) == value
        else:
            with pytest.raises(MalformedError) as caught:
                parse_request(serialise(given_one))
            assert caught.value.field == name
    with pytest.raises(MalformedError) as caught:
        parse_request(serialise(message))
    assert caught.value.field == ("break_glass" if PURPOSES[grant.request.purpose].writes else "change_sha256")


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("change_sha256", {"change_sha256": b"c" * 31}),
        ("change_sha256", {"change_sha256": b"c" * 33}),
        ("break_glass", {"break_glass": "x" * 501}),
        ("break_glass", {"break_glass": "two\nlines"}),
        ("break_glass", {"break_glass": "safe\u202etxt.exe"}),
        ("source_version", {"source_version": "1@x"}),
    ],
)
def test_a_field_of_a_request_that_breaks_its_rule_is_named(field: str, fields: dict[str, Any]) -> None:
    with pytest.raises(MalformedError) as caught:
        a_request(**fields)
    assert caught.value.field == field


def test_a_copy_can_name_the_version_that_it_copies() -> None:
    copy: dict[str, Any] = {"purpose": upload_pb2.PURPOSE_COPY, "destination": DESTINATION}
    assert a_request(**copy, source_version="7@x").source_version == "7@x"
    assert a_request(**copy).source_version == ""
    with pytest.raises(MalformedError) as caught:
        a_request(**copy, source_version="7 @x")
    assert caught.value.field == "source_version"


@given(st.text(max_size=502))
def test_a_reason_has_printable_characters_alone(text: str) -> None:
    assert is_reason(text) == (1 <= len(text) <= 500 and text.isprintable())


@pytest.mark.parametrize(
    "control", [*"\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c\x1b\0\n"]
)
def test_no_reason_turns_the_direction_of_text_or_speaks_to_a_terminal(control: str) -> None:
    assert not is_reason(f"a{control}b")


def test_a_grant_says_how_many_approvals_are_asked_of_what_is_signed_and_writes() -> None:
    for number in (0, 1, MAX_APPROVALS):
        grant = a_grant(a_request(), signature_required=True, approvals=number)
        assert parse_grant(grant.content).approvals == number
    for request, required, number in (
        (a_request(), True, MAX_APPROVALS + 1),
        (a_request(), False, 1),
        (a_request(purpose=upload_pb2.PURPOSE_COMPARE), True, 1),
    ):
        with pytest.raises(MalformedError) as caught:
            a_grant(request, signature_required=required, approvals=number)
        assert caught.value.field == "approvals"


@pytest.mark.parametrize("kind", sorted(OF_WRITES - {"COPIED"}))
def test_announcement_and_success_name_the_change_and_who_approved_it(kind: str) -> None:
    grant = granted(kind, change_sha256=CHANGE)
    found = opened(receipt(kind, grant=grant, **SIGNED, approvers=[BEN, EVA]), grant)
    assert (found.change_sha256, found.approvers, found.break_glass) == (CHANGE, (BEN, EVA), "")
    lies: tuple[dict[str, Any], ...] = ({"change_sha256": OTHER}, {"change_sha256": b"", "approvers": ()})
    for lie in lies:
        with pytest.raises(ProofError, match="another change"):
            opened(changed(found, **lie), grant)
    with pytest.raises(ProofError, match="another change"):
        opened(changed(found, change_sha256=b"", approvers=(), break_glass=WHY), grant)


@pytest.mark.parametrize("kind", sorted(OF_WRITES - {"COPIED"}))
def test_announcement_and_success_say_that_the_glass_was_broken(kind: str) -> None:
    grant = granted(kind, break_glass=WHY)
    found = opened(receipt(kind, grant=grant, **SIGNED), grant)
    assert (found.change_sha256, found.approvers, found.break_glass) == (b"", (), WHY)
    for lie in ("", "an audit"):
        with pytest.raises(ProofError, match="glass"):
            opened(changed(found, break_glass=lie), grant)


@pytest.mark.parametrize("kind", sorted(OF_WRITES - {"COPIED"}))
def test_a_receipt_names_no_change_and_no_glass_that_was_not_asked_for(kind: str) -> None:
    grant = granted(kind)
    found = opened(receipt(kind, grant=grant, **SIGNED), grant)
    with pytest.raises(ProofError, match="another change"):
        opened(changed(found, change_sha256=CHANGE, approvers=[BEN]), grant)
    with pytest.raises(ProofError, match="glass"):
        opened(changed(found, break_glass=WHY), grant)


@pytest.mark.parametrize("fields", [{"change_sha256": CHANGE}, {"break_glass": WHY}])
def test_a_failure_names_neither(fields: dict[str, Any]) -> None:
    grant = granted("FAILED", **fields)
    failed = opened(receipt("FAILED", grant=grant), grant)
    assert (failed.change_sha256, failed.approvers, failed.break_glass) == (b"", (), "")
    with pytest.raises(MalformedError) as caught:
        changed(failed, **fields)
    assert caught.value.field == next(iter(fields))


@pytest.mark.parametrize("kind", sorted(GOOD.keys() - OF_WRITES - {"FAILED"}))
@pytest.mark.parametrize("fields", [{"change_sha256": CHANGE}, {"break_glass": WHY}])
def test_what_only_looks_names_neither(kind: str, fields: dict[str, Any]) -> None:
    looked = receipt(kind, grant=granted(kind), **SIGNED)
    with pytest.raises(MalformedError) as caught:
        changed(looked, **fields)
    assert caught.value.field == next(iter(fields))


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("change_sha256", {"change_sha256": b"c" * 31}),
        ("change_sha256", {"signer": "", "signer_key": "", "approvers": ()}),
        ("break_glass", {"break_glass": WHY}),
        ("break_glass", {"change_sha256": b"", "approvers": (), "break_glass": "x" * 501}),
        ("break_glass", {"change_sha256": b"", "approvers": (), "break_glass": "two\nlines"}),
        ("approvers", {"change_sha256": b""}),
        ("approvers", {"approvers": (EVA, BEN)}),
        ("approvers", {"approvers": (BEN, BEN)}),
        ("approvers", {"approvers": (BEN, (EVA[0], BEN[1]))}),
        ("approvers", {"approvers": (BEN, (BEN[0], EVA[1]))}),
        ("approvers", {"approvers": ((ANNA, BEN[1]),)}),
        ("approvers", {"approvers": ((BEN[0], ANNAS),)}),
        ("approvers", {"approvers": (("ben example", BEN[1]),)}),
        ("approvers", {"approvers": (("", BEN[1]),)}),
        ("approvers", {"approvers": ((BEN[0], "SHA256:short"),)}),
        ("approvers", {"approvers": tuple((f"p{number}", f"SHA256:{number}{'k' * 42}") for number in range(9))}),
    ],
)
def test_a_field_of_a_receipt_that_breaks_its_rule_is_named(field: str, fields: dict[str, Any]) -> None:
    found = receipt("UPLOADED", grant=granted("UPLOADED", change_sha256=CHANGE), **SIGNED, approvers=[BEN, EVA])
    with pytest.raises(MalformedError) as caught:
        changed(found, **fields)
    assert caught.value.field == field


def test_a_change_may_take_no_approval_and_as_many_as_eight() -> None:
    grant = granted("UPLOADED", change_sha256=CHANGE)
    eight = tuple((f"p{number}", f"SHA256:{number}{'k' * 42}") for number in range(8))
    for approvers in ((), eight):
        assert opened(receipt("UPLOADED", grant=grant, **SIGNED, approvers=approvers), grant).approvers == approvers


def test_an_approved_copy_is_proven_by_a_put_that_is_for_no_change_of_its_own() -> None:
    copy = granted("COPIED", change_sha256=CHANGE)
    put: dict[str, Any] = {"uri": str(DESTINATION), "request_id": put_request_id(copy.request.request_id)}
    plain = a_grant(a_request(**put), signature_required=True)
    bot: dict[str, Any] = {"signer": "copies-from-vault", "signer_key": f"SHA256:{'k' * 43}"}

    def proves(grant: Grant, **lies: Any) -> None:
        inner = there(grant=grant, **bot)
        made = receipt("COPIED", grant=copy, **SIGNED, approvers=[BEN], destination=inner)
        check_copied(made, changed(parse_receipt(inner.content), **lies), grant, copy.request)

    proves(plain)
    of_its_own: tuple[dict[str, Any], ...] = ({"change_sha256": CHANGE}, {"break_glass": WHY})
    for fields in of_its_own:
        with pytest.raises(ProofError, match="receipt is for a change of its own"):
            proves(plain, **fields)
        with pytest.raises(ProofError, match="grant is for a change of its own"):
            proves(a_grant(a_request(**put, **fields), signature_required=True), change_sha256=b"", break_glass="")


def test_a_request_has_these_fields_in_the_bytes_of_the_proto_file() -> None:
    def of(**fields: Any) -> bytes:
        return make_request(
            request_id=b"r" * 16,
            purpose=upload_pb2.PURPOSE_DELETE,
            uri=a_request(uri="vault://a").uri,
            expect=upload_pb2.EXPECT_ANY,
            suites=(1,),
            **fields,
        ).content

    assert of(change_sha256=CHANGE) == of() + b"\xa2\x01\x20" + CHANGE
    assert of(break_glass="now") == of() + b"\xaa\x01\x03now"

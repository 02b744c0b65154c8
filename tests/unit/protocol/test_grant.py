from __future__ import annotations

import hashlib

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.grant import Grant, open_grant, parse_grant
from monoskope.protocol.identity import RECEIPT, UPLOAD_GRANT, ProofError
from monoskope.protocol.wire import MalformedError, serialise
from tests.support.vectors import Signer, a_grant, a_request

REQUEST = a_request()
GRANT = a_grant(REQUEST)
SIGNER = Signer()


def changed(**fields: object) -> bytes:
    message = upload_pb2.UploadGrant()
    message.ParseFromString(GRANT.content)
    for name, value in fields.items():
        message.ClearField(name)
        setattr(message, name, value)
    return serialise(message)


def opened(signed: upload_pb2.Signed, *, subject: str | None = "anna", request: bytes = REQUEST.content) -> Grant:
    return open_grant(signed, identity=SIGNER.shown, request=request, subject=subject)


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("subject", {"subject": ""}),
        ("subject", {"subject": "x" * 257}),
        ("suite", {"suite": 0}),
        ("suite", {"suite": 2}),
        ("public_key", {"public_key": b"x" * 1215}),
        ("public_key", {"public_key": b"x" * 1217}),
        ("replica", {"replica": b"x" * 15}),
        ("lifetime_s", {"lifetime_s": 29}),
        ("lifetime_s", {"lifetime_s": 3601}),
        ("max_plaintext", {"max_plaintext": 256}),
        ("max_plaintext", {"max_plaintext": 513}),
        ("max_plaintext", {"max_plaintext": 0}),
        ("max_plaintext", {"max_plaintext": 2_097_152}),
        ("fingerprint_key_id", {"fingerprint_key_id": "63E8eb50bcac50aa"}),
        ("fingerprint_key_id", {"fingerprint_key_id": "63e8eb50bcac50aa0"}),
        ("content", {"request": b"\xff"}),
    ],
)
def test_a_field_that_breaks_its_rule_is_named(field: str, fields: dict[str, object]) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_grant(changed(**fields))
    assert caught.value.field == field


@pytest.mark.parametrize(
    "fields", [{"lifetime_s": 30}, {"lifetime_s": 3600}, {"max_plaintext": 512}, {"max_plaintext": 1_048_576}]
)
def test_limits_are_inclusive(fields: dict[str, object]) -> None:
    content = changed(**fields)
    assert parse_grant(content).content == content


def test_a_suite_that_was_not_offered_is_refused() -> None:
    message = upload_pb2.UploadRequest()
    message.ParseFromString(REQUEST.content)
    del message.suites[:]
    message.suites.append(7)
    with pytest.raises(MalformedError, match="one that the request names"):
        parse_grant(changed(request=serialise(message)))


def test_an_unknown_suite_is_refused_even_if_it_was_offered() -> None:
    message = upload_pb2.UploadRequest()
    message.ParseFromString(REQUEST.content)
    message.suites.append(2)
    with pytest.raises(MalformedError, match="must be 1"):
        parse_grant(changed(request=serialise(message), suite=2))


def test_a_good_grant_opens() -> None:
    assert opened(SIGNER.sign(UPLOAD_GRANT, GRANT.content)) == GRANT
    assert opened(SIGNER.sign(UPLOAD_GRANT, GRANT.content), subject=None) == GRANT
    assert GRANT.sha256 == hashlib.sha256(GRANT.content).digest()


def test_a_grant_under_another_identity_is_refused() -> None:
    other = Signer()
    with pytest.raises(ProofError) as caught:
        opened(other.sign(UPLOAD_GRANT, GRANT.content))
    assert other.shown in str(caught.value)
    assert SIGNER.shown in str(caught.value)


def test_a_signature_for_another_purpose_is_refused() -> None:
    with pytest.raises(ProofError, match="does not verify"):
        opened(SIGNER.sign(RECEIPT, GRANT.content))


def test_a_swapped_public_key_is_refused() -> None:
    signed = SIGNER.sign(UPLOAD_GRANT, GRANT.content)
    signed.content = changed(public_key=b"evil" * 304)
    with pytest.raises(ProofError, match="does not verify"):
        opened(signed)


@pytest.mark.parametrize(("field", "size"), [("signature", 63), ("identity_key", 31)])
def test_short_signatures_and_keys_are_refused(field: str, size: int) -> None:
    signed = SIGNER.sign(UPLOAD_GRANT, GRANT.content)
    setattr(signed, field, b"x" * size)
    with pytest.raises(ProofError):
        opened(signed)


def test_a_grant_for_another_request_is_refused() -> None:
    with pytest.raises(ProofError, match="another request"):
        opened(SIGNER.sign(UPLOAD_GRANT, a_grant(a_request()).content))


def test_a_grant_for_another_user_is_refused() -> None:
    with pytest.raises(ProofError, match="another user"):
        opened(SIGNER.sign(UPLOAD_GRANT, GRANT.content), subject="ben")


def test_malformed_but_signed_is_refused() -> None:
    with pytest.raises(MalformedError):
        opened(SIGNER.sign(UPLOAD_GRANT, changed(suite=2)))

"""The put that a copy makes at its destination is the one that the copy's request says, and no other."""

from __future__ import annotations

from typing import Any

import pytest

from monoskope.api.secrets.v1 import options_pb2, upload_pb2
from monoskope.protocol.grant import Grant
from monoskope.protocol.identity import ProofError
from monoskope.protocol.open_receipt import check_copied, put_request_id
from monoskope.protocol.receipt import Receipt, make_receipt
from monoskope.uri import SecretUri
from tests.support.vectors import KEY_ID, a_grant, a_request

THERE = SecretUri.parse("other://app/db")
FINGERPRINT = f"fp1:{KEY_ID}:{'0' * 64}"
COPY = a_request(purpose=upload_pb2.PURPOSE_COPY, destination=THERE, expect=upload_pb2.EXPECT_ABSENT)


def put(*, signature_required: bool = False, **fields: Any) -> Grant:
    """The destination's grant for what this copy asks for, but for `fields`."""
    asked = {
        "uri": str(THERE),
        "request_id": put_request_id(COPY.request_id),
        "expect": upload_pb2.EXPECT_ABSENT,
        **fields,
    }
    return a_grant(a_request(**asked), signature_required=signature_required)


def receipt(grant: Grant, *, signer: str = "", signer_key: str = "") -> Receipt:
    return make_receipt(
        grant=grant,
        signer=signer,
        signer_key=signer_key,
        sealed_sha256=bytes(32),
        outcome=upload_pb2.OUTCOME_UPLOADED,
        upstream_version="v1",
        fingerprint=FINGERPRINT,
        values=[("k", FINGERPRINT)],
    )


def test_the_put_of_this_copy_is_proof() -> None:
    grant = put()
    check_copied(receipt(grant), receipt(grant), grant, COPY)


@pytest.mark.parametrize(
    "fields",
    [
        {"request_id": bytes(16)},
        {"uri": "other://app/else"},
        {"expect": upload_pb2.EXPECT_OVERWRITE},
        {"labels": (("owner", "mallory"),)},
        {"expires_on": "2026-12-24"},
        {"keep_labels": True},
        {"keep_expires_on": True},
        {"options": options_pb2.VaultOptions(binary=options_pb2.VAULT_BINARY_BASE64)},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_any_other_put_is_none(fields: dict[str, Any]) -> None:
    grant = put(**fields)
    with pytest.raises(ProofError):
        check_copied(receipt(grant), receipt(grant), grant, COPY)


def test_a_receipt_for_another_grant_is_none() -> None:
    grant = put()
    with pytest.raises(ProofError, match="another grant"):
        check_copied(receipt(grant), receipt(put()), grant, COPY)


@pytest.mark.parametrize("required", [False, True], ids=["unsigned", "signed"])
def test_the_destinations_receipt_names_a_signer_exactly_if_its_grant_asked_for_one(*, required: bool) -> None:
    grant = put(signature_required=required)
    signed = receipt(grant, signer="copies-from-vault", signer_key=f"SHA256:{'k' * 43}")
    good, bad = (signed, receipt(grant)) if required else (receipt(grant), signed)
    check_copied(receipt(grant), good, grant, COPY)
    with pytest.raises(ProofError, match="who signed"):
        check_copied(receipt(grant), bad, grant, COPY)

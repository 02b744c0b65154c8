"""What is signed and logged for ever, spelled out: labels and numbers. A test that fails here found a broken log."""

from __future__ import annotations

from typing import Any

import pytest

from monoskope.api.secrets.v1 import options_pb2, proof_pb2, upload_pb2
from monoskope.protocol import identity as labels
from monoskope.protocol.tlog import checkpoint, proof_file

LABELS = {
    "SEALED_SECRET": b"m8/sealed-secret/v1",
    "UPLOAD_GRANT": b"m8/upload-grant/v1",
    "RECEIPT": b"m8/receipt/v1",
    "IDENTITY_ROTATION": b"m8/identity-rotation/v1",
    "REACTOR_HELLO": b"m8/reactor-hello/v1",
    "WRITE_TAG": b"m8/write-tag/v1",
    "WRITE_INTENT": b"m8/write-intent/v1",
    "FINGERPRINT": b"m8/fingerprint/v1",
    "FINGERPRINT_VALUE": b"m8/fingerprint-value/v1",
    "FINGERPRINT_KEY_ID": b"m8/fingerprint-key-id/v1",
    "COPY_REQUEST": b"m8/copy-request/v1",
    "SIGNED_REQUEST": b"m8/signed-request/v1",
    "APPROVAL": b"m8/approval/v1",
}
EVIDENCE = {"record": 1, "grant": 2, "rotations": 3, "request_signature": 4, "request": 5}
PURPOSE = {"UPLOAD": 1, "COMPARE": 2, "LIST": 11}
EXPECT = {"ANY": 1, "ABSENT": 2, "VERSION": 3, "OVERWRITE": 4}
OUTCOME = {"UPLOADED": 1, "UNCHANGED": 2, "EQUAL": 3, "DIFFERENT": 4, "FAILED": 5, "STARTED": 6, "LISTED": 15}
DIFFERENCE_KIND = {"MISSING": 1, "EXTRA": 2, "CHANGED": 3}
REASON = {
    "BAD_PAYLOAD": 1,
    "CONFLICT": 2,
    "KEY_LOST": 3,
    "OUTCOME_UNKNOWN": 4,
    "UPSTREAM_UNAVAILABLE": 5,
    "UPSTREAM_REFUSED": 6,
    "CANNOT_READ": 7,
    "UNSUPPORTED": 8,
    "RATE_LIMITED": 9,
    "EXPIRED": 10,
    "NO_REACTOR": 11,
    "STORE_INACTIVE": 12,
    "UPSTREAM_CHANGED": 13,
    "NOT_AUTHORIZED": 14,
    "NOT_FOUND": 15,
}


@pytest.mark.parametrize("name", LABELS)
def test_a_label_never_changes(name: str) -> None:
    assert getattr(labels, name) == LABELS[name]


def test_every_label_is_listed_here() -> None:
    assert {name for name, value in vars(labels).items() if isinstance(value, bytes)} == set(LABELS)


def test_what_is_signed_under_one_label_can_be_read_under_no_other() -> None:
    begun = [labels.labelled(getattr(labels, name)) for name in LABELS]
    assert all(label.index(b"\0") == len(label) - 1 for label in begun)
    assert not [(one, other) for one in begun for other in begun if one is not other and other.startswith(one)]
    assert labels.labelled(b"a", b"b") == b"a\0b"


@pytest.mark.parametrize(
    ("kind", "prefix", "known"),
    [
        (upload_pb2.Purpose, "PURPOSE", PURPOSE),
        (upload_pb2.Expect, "EXPECT", EXPECT),
        (upload_pb2.Outcome, "OUTCOME", OUTCOME),
        (upload_pb2.Reason, "REASON", REASON),
        (upload_pb2.DifferenceKind, "DIFFERENCE_KIND", DIFFERENCE_KIND),
        (options_pb2.VaultBinary, "VAULT_BINARY", {"BASE64": 1}),
    ],
)
def test_a_number_never_changes(kind: Any, prefix: str, known: dict[str, int]) -> None:
    """New ones may come."""
    expected = {"UNSPECIFIED": 0, **known}
    assert {name: kind.Value(f"{prefix}_{name}") for name in expected} == expected


def test_what_is_signed_and_shown_of_the_log_never_changes() -> None:
    """Other people's tools and proofs that people kept depend on each of these bytes."""
    assert checkpoint.SUBTREE_LABEL == b"subtree/v1\n\0"
    assert checkpoint.COSIGNATURE_LABEL == "cosignature/v1"
    assert {kind.name: kind.value for kind in checkpoint.Kind} == {
        "ED25519": 1,
        "COSIGNATURE_ED25519": 4,
        "COSIGNATURE_ML_DSA_44": 6,
    }
    assert proof_file.FIRST_LINE == "c2sp.org/tlog-proof@v1"
    numbers = {field.name: field.number for field in proof_pb2.UploadEvidence.DESCRIPTOR.fields}
    assert {name: numbers[name] for name in EVIDENCE} == EVIDENCE

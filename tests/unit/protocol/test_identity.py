from __future__ import annotations

import pytest

from monoskope.errors import UsageError
from monoskope.protocol.identity import RECEIPT, UPLOAD_GRANT, ProofError, check_shown, verify
from tests.support.vectors import Signer

SIGNER = Signer()
SHOWN = "SHA256:MQJTUz847hm/Lc/bnL+se9bfNZ62DeTL3nsTVCN3LC4"
SIGNATURE = SIGNER.sign(RECEIPT, b"content").signature


def test_a_good_signature_verifies() -> None:
    verify(SIGNER.public, RECEIPT, b"content", SIGNATURE)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_of_a_wrong_size_is_named(size: int) -> None:
    with pytest.raises(ProofError, match="an identity key does not have 32 bytes"):
        verify(b"k" * size, RECEIPT, b"content", SIGNATURE)


@pytest.mark.parametrize("size", [0, 63, 65])
def test_a_signature_of_a_wrong_size_is_named(size: int) -> None:
    with pytest.raises(ProofError, match="a signature does not have 64 bytes"):
        verify(SIGNER.public, RECEIPT, b"content", SIGNATURE.ljust(65)[:size])


@pytest.mark.parametrize(
    ("public", "label", "content", "signature"),
    [
        (Signer().public, RECEIPT, b"content", SIGNATURE),
        (SIGNER.public, UPLOAD_GRANT, b"content", SIGNATURE),
        (SIGNER.public, RECEIPT, b"Content", SIGNATURE),
        (SIGNER.public, RECEIPT, b"content", bytes([SIGNATURE[0] ^ 1]) + SIGNATURE[1:]),
    ],
    ids=["another key", "another label", "another content", "another signature"],
)
def test_anything_else_does_not_verify(public: bytes, label: bytes, content: bytes, signature: bytes) -> None:
    with pytest.raises(ProofError, match="a signature does not verify"):
        verify(public, label, content, signature)


@pytest.mark.parametrize(
    "text", ["", "SHA256:", SHOWN + "=", SHOWN[:-1], SHOWN.lower(), "x" + SHOWN, SHOWN + "\n", SHOWN[:-1] + "-"]
)
def test_what_is_no_shown_identity_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not valid: 'SHA256:' and 43 characters"):
        check_shown(text)

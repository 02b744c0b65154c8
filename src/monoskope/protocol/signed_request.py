"""Signed requests: what a user signs, and the forms of the names that a receipt shows (docs/signed-requests.md).

A reactor with `[signers]` acts only on what a key of its own list signed. The signature is OpenSSH's SSHSIG, so that
the keys that people have will do: files, an ssh-agent, hardware keys, certificates.
"""

from __future__ import annotations

import re

from monoskope.lazy import pattern
from monoskope.protocol.identity import SIGNED_REQUEST, labelled

NAMESPACE = "request@monoskope"
"""The namespace of the signatures (OpenSSH, PROTOCOL.sshsig): a signature for another purpose is none of a request."""

MAX_SIGNATURE = 8_192
"""Bytes of a signature at most."""

_PRINCIPAL = pattern(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}", re.ASCII)
_KEY_FINGERPRINT = pattern(r"SHA256:[A-Za-z0-9+/]{43}", re.ASCII)


def statement(grant_sha256: bytes, sealed_sha256: bytes) -> bytes:
    """Return what is signed: it fits one request, one one-time key and one content.

    Args:
        grant_sha256: SHA-256 of the serialised grant, 32 bytes.
        sealed_sha256: SHA-256 of encapsulated key || ciphertext, 32 bytes; of nothing sealed that of no bytes.
    """
    return labelled(SIGNED_REQUEST, grant_sha256 + sealed_sha256)


def is_principal(text: str) -> bool:
    """Whether `text` can be the principal of a signature."""
    return _PRINCIPAL.fullmatch(text) is not None


def is_key_fingerprint(text: str) -> bool:
    """Whether `text` has the form in which OpenSSH shows a key: `SHA256:` and unpadded base64 of 32 bytes."""
    return _KEY_FINGERPRINT.fullmatch(text) is not None

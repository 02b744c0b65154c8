"""The labels that keep one signed or MACed input from being read as another, each followed by one zero byte."""

from __future__ import annotations

SEALED_SECRET = b"m8/sealed-secret/v1"
UPLOAD_GRANT = b"m8/upload-grant/v1"
RECEIPT = b"m8/receipt/v1"
IDENTITY_ROTATION = b"m8/identity-rotation/v1"
REACTOR_HELLO = b"m8/reactor-hello/v1"
WRITE_TAG = b"m8/write-tag/v1"
WRITE_INTENT = b"m8/write-intent/v1"
FINGERPRINT = b"m8/fingerprint/v1"
FINGERPRINT_VALUE = b"m8/fingerprint-value/v1"
FINGERPRINT_KEY_ID = b"m8/fingerprint-key-id/v1"
COPY_REQUEST = b"m8/copy-request/v1"
SIGNED_REQUEST = b"m8/signed-request/v1"


def labelled(label: bytes, content: bytes = b"") -> bytes:
    """Return `label`, one zero byte and `content` (docs/protocol.md, Bytes)."""
    return label + b"\x00" + content

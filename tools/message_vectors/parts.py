"""Keys, signatures and names that the vectors share."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from monoskope.api.secrets.v1 import upload_pb2

Vector = dict[str, Any]

URI = "vault://app/db"
KEY_ID = "63e8eb50bcac50aa"
REPLICA = bytes(range(16, 32))
REQUEST_ID = bytes(range(16))
SEED = bytes(range(64, 96))
"""The private one-time key: SHAKE256 of it gives 64 bytes for ML-KEM-768 and 32 for X25519."""


class Key:
    """An Ed25519 key from a number."""

    def __init__(self, number: int) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"key %d" % number).digest())
        self.public = self._key.public_key().public_bytes_raw()
        self.shown = shown(self.public)

    def sign(self, label: bytes, content: bytes) -> bytes:
        """Return the signature over a label, a zero byte and the content."""
        return self._key.sign(label + b"\0" + content)

    def signed(self, label: bytes, content: bytes) -> Vector:
        """Return a Signed as vectors have it."""
        return {
            "content": content.hex(),
            "signature": self.sign(label, content).hex(),
            "identity_key": self.public.hex(),
        }

    def message(self, label: bytes, content: bytes) -> upload_pb2.Signed:
        """Return a Signed as a message."""
        return upload_pb2.Signed(content=content, signature=self.sign(label, content), identity_key=self.public)


def shown(content: bytes) -> str:
    """Return `SHA256:` and unpadded base64 of the digest of a key."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


STORE, OTHER = Key(1), Key(2)
"""The identity of the store `vault`, and one that is not pinned."""
GRANT, RECEIPT = b"m8/upload-grant/v1", b"m8/receipt/v1"


def one_time_key() -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    """Return both halves of the private key."""
    expanded = hashlib.shake_256(SEED).digest(96)
    return MLKEM768PrivateKey.from_seed_bytes(expanded[:64]), X25519PrivateKey.from_private_bytes(expanded[64:])


def public_key() -> bytes:
    """Return the public half: 1,216 bytes."""
    kem, curve = one_time_key()
    return kem.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()


def request(purpose: str | int = "UPLOAD", **fields: Any) -> upload_pb2.UploadRequest:  # noqa: ANN401 - fields of a message
    """Return a request about `URI`, good unless `fields` make it bad."""
    nothing = purpose in {"COMPARE", "VERIFY", "IMPORT", "LIST"}
    known: dict[str, Any] = {
        "request_id": REQUEST_ID,
        "purpose": purpose if isinstance(purpose, int) else upload_pb2.Purpose.Value(f"PURPOSE_{purpose}"),
        "uri": URI,
        "expect": upload_pb2.EXPECT_UNSPECIFIED if nothing else upload_pb2.EXPECT_ANY,
        "suites": [1],
    }
    return upload_pb2.UploadRequest(**{**known, **fields})


def grant(asked: upload_pb2.UploadRequest, **fields: Any) -> upload_pb2.UploadGrant:  # noqa: ANN401 - fields of a message
    """Return a grant for a request, good unless `fields` make it bad."""
    known: dict[str, Any] = {
        "request": serialised(asked),
        "subject": "anna",
        "suite": 1,
        "public_key": public_key(),
        "replica": REPLICA,
        "lifetime_s": 60,
        "max_plaintext": 131_072,
        "fingerprint_key_id": KEY_ID,
    }
    return upload_pb2.UploadGrant(**{**known, **fields})


def serialised(message: Message) -> bytes:
    """Return the one serialised form."""
    return message.SerializeToString(deterministic=True)


def said(message: Message) -> Vector:
    """Return what a well-formed message says, in protobuf's JSON."""
    found: Vector = MessageToDict(message)
    return found


def malformed(field: str) -> Vector:
    """Return what a reader must say of a message with one bad field."""
    return {"fault": "MALFORMED", "field": field}


def fault(word: str) -> Vector:
    """Return what a reader must say."""
    return {"fault": word}

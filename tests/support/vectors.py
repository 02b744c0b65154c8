"""The protocol's test vectors, computed apart from this code, and small makers that the tests share."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from monoskope.api.secrets.v1 import identity_pb2, upload_pb2
from monoskope.protocol.grant import Grant, make_grant
from monoskope.protocol.identity import IDENTITY_ROTATION, labelled, rotation_content, shown
from monoskope.protocol.request import Request, make_request
from monoskope.uri import SecretUri

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors.json").read_text())
KEY_ID = "63e8eb50bcac50aa"
EXPECT_NOTHING = frozenset(
    {upload_pb2.PURPOSE_COMPARE, upload_pb2.PURPOSE_VERIFY, upload_pb2.PURPOSE_IMPORT, upload_pb2.PURPOSE_LIST}
)


class Signer:
    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.public = self.key.public_key().public_bytes_raw()
        self.shown = shown(self.public)

    def sign(self, label: bytes, content: bytes) -> upload_pb2.Signed:
        signature = self.key.sign(labelled(label, content))
        return upload_pb2.Signed(content=content, signature=signature, identity_key=self.public)


def secret(vector: dict[str, Any]) -> dict[str, bytes]:
    return {key: base64.b64decode(value) for key, value in vector["secret"].items()}


def a_request(
    *,
    purpose: upload_pb2.Purpose = upload_pb2.PURPOSE_UPLOAD,
    uri: str = "vault://app/db",
    request_id: bytes | None = None,
    **fields: Any,
) -> Request:
    return make_request(
        request_id=request_id or os.urandom(16),
        purpose=purpose,
        uri=SecretUri.parse(uri),
        suites=(1,),
        **{"expect": upload_pb2.EXPECT_UNSPECIFIED if purpose in EXPECT_NOTHING else upload_pb2.EXPECT_ANY, **fields},
    )


def a_grant(
    request: Request,
    *,
    subject: str = "anna",
    replica: bytes = b"r" * 16,
    signature_required: bool = False,
    approvals: int = 0,
) -> Grant:
    return make_grant(
        request=request,
        subject=subject,
        public_key=os.urandom(1216),
        replica=replica,
        lifetime_s=300,
        max_plaintext=131_072,
        fingerprint_key_id=KEY_ID,
        signature_required=signature_required,
        approvals=approvals,
    )


def step(old: Signer, new: Signer, store: str = "vault") -> identity_pb2.SignedRotation:
    content = rotation_content(store, old.public, new.public)
    return identity_pb2.SignedRotation(
        content=content,
        old_signature=old.sign(IDENTITY_ROTATION, content).signature,
        new_signature=new.sign(IDENTITY_ROTATION, content).signature,
    )

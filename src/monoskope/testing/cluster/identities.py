"""Identities of stores for tests: they sign what a real reactor would, and whatever else a test wants signed."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from monoskope.api.secrets.v1 import identity_pb2, upload_pb2
from monoskope.protocol.identity import IDENTITY_ROTATION, Tree, labelled, rotation_content, shown


@dataclass(frozen=True, slots=True)
class Identity:
    """An Ed25519 identity."""

    private_key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate, repr=False)

    @property
    def key(self) -> bytes:
        """The 32-byte public key."""
        return self.private_key.public_key().public_bytes_raw()

    @property
    def shown(self) -> str:
        """How people see it."""
        return shown(self.key)

    def sign(self, label: bytes, content: bytes) -> upload_pb2.Signed:
        """Sign `content` under a label."""
        signature = self.private_key.sign(labelled(label, content))
        return upload_pb2.Signed(content=content, signature=signature, identity_key=self.key)

    def rotate(
        self, new: Identity, store: str, *, tree: Tree | None = None, after: identity_pb2.SignedRotation | None = None
    ) -> identity_pb2.SignedRotation:
        """Return the step from this identity to `new`, signed by both: with the log's `tree`, `after` another step."""
        previous = b"" if after is None else sha256(after.content).digest()
        content = rotation_content(store, self.key, new.key, tree=tree, previous_sha256=previous)
        return identity_pb2.SignedRotation(
            content=content,
            old_signature=self.sign(IDENTITY_ROTATION, content).signature,
            new_signature=new.sign(IDENTITY_ROTATION, content).signature,
        )


@dataclass(frozen=True, slots=True)
class OneTimeKey:
    """A key pair as a reactor makes for one request (suite 1)."""

    mlkem: MLKEM768PrivateKey = field(default_factory=MLKEM768PrivateKey.generate, repr=False)
    x25519: X25519PrivateKey = field(default_factory=X25519PrivateKey.generate, repr=False)
    replica: bytes = field(default_factory=lambda: os.urandom(16))

    @property
    def public(self) -> bytes:
        """The 1,216 bytes that go into a grant."""
        return self.mlkem.public_key().public_bytes_raw() + self.x25519.public_key().public_bytes_raw()

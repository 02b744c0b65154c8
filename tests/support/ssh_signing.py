"""SSHSIG signatures made by hand, apart from the product: what a user's agent sends, and whatever else a test wants."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_TYPE = b"ssh-ed25519"
_MAGIC = b"SSHSIG"
_NAMESPACE = b"request@monoskope"


def _text(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A user's Ed25519 key."""

    private_key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate, repr=False)

    @property
    def public(self) -> bytes:
        """The key in SSH's wire form."""
        return _text(_TYPE) + _text(self.private_key.public_key().public_bytes_raw())

    @property
    def line(self) -> str:
        """The key as it stands in a file."""
        return f"{_TYPE.decode()} {base64.b64encode(self.public).decode()}"

    @property
    def shown(self) -> str:
        """The key's fingerprint."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.public).digest()).decode().rstrip("=")

    def sign(self, statement: bytes, *, namespace: bytes = _NAMESPACE) -> bytes:
        """Return a signature without armour (OpenSSH, PROTOCOL.sshsig)."""
        digest = hashlib.sha512(statement).digest()
        signed = _MAGIC + _text(namespace) + _text(b"") + _text(b"sha512") + _text(digest)
        signature = _text(_TYPE) + _text(self.private_key.sign(signed))
        head = _MAGIC + (1).to_bytes(4, "big") + _text(self.public)
        return head + _text(namespace) + _text(b"") + _text(b"sha512") + _text(signature)

"""What MariaDB's plugin `ed25519` keeps of a password, made here so that the password reaches no statement and no log.

The public key of Ed25519 (RFC 8032) whose secret is the password of any length, in standard base64 without padding:
there is no salt, and so nothing that could tell one write from another.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode

from nacl.bindings import crypto_scalarmult_ed25519_base


def ed25519(password: bytes) -> str:
    """Return the hash of a password, 43 characters."""
    # It clears and sets the bits of the scalar itself, as RFC 8032 says.
    key = crypto_scalarmult_ed25519_base(hashlib.sha512(password).digest()[:32])
    return b64encode(key).decode("ascii").removesuffix("=")

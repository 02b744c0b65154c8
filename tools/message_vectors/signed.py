"""Vectors of signed requests as their client makes them. What a reactor takes and refuses is in vectors-signed.json."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tools.message_vectors.parts import Vector, shown

_SEED = bytes(range(128, 160))


def signed_requests() -> Iterator[Vector]:
    """Yield digests with the statement of both, and with what an Ed25519 key makes of it."""
    key = Ed25519PrivateKey.from_private_bytes(_SEED)
    wire = _string(b"ssh-ed25519") + _string(key.public_key().public_bytes_raw())
    nothing = hashlib.sha256(b"").digest()
    for name, sealed in {
        "of something sealed": hashlib.sha256(b"sealed").digest(),
        "of nothing sealed": nothing,
    }.items():
        digests = {"grant_sha256": hashlib.sha256(b"grant").hexdigest(), "sealed_sha256": sealed.hex()}
        statement = b"m8/signed-request/v1\0" + hashlib.sha256(b"grant").digest() + sealed
        head = _string(b"request@monoskope") + _string(b"") + _string(b"sha512")
        signature = key.sign(b"SSHSIG" + head + _string(hashlib.sha512(statement).digest()))
        body = _string(_string(b"ssh-ed25519") + _string(signature))
        made = b"SSHSIG" + (1).to_bytes(4, "big") + _string(wire) + head + body
        expected = {"statement": statement.hex(), "signature": made.hex(), "signer_key": shown(wire)}
        yield {"name": name, "private_key": _SEED.hex(), **digests, "expected": expected}


def _string(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content

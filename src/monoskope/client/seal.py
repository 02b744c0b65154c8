"""The only file that encrypts (docs/protocol.md, Suite 1 and The walk, step 4)."""

from __future__ import annotations

from monoskope.protocol import identity
from monoskope.protocol.grant import ENCAPSULATED_KEY_BYTES, Grant
from monoskope.protocol.identity import SEALED_SECRET, ProofError, labelled
from monoskope.protocol.receipt import sealed_digest
from monoskope.value import Value

_MLKEM_BYTES = 1_184


class Sealed(Value, frozen=True):
    """What goes over the wire instead of a secret."""

    hidden = frozenset({"encapsulated_key", "ciphertext"})

    encapsulated_key: bytes
    """1,120 bytes; the decision record's client key."""
    ciphertext: bytes
    """The padded plaintext's size and 16 bytes more."""

    @property
    def sha256(self) -> bytes:
        """SHA-256 of encapsulated key || ciphertext: what receipts refer to."""
        return sealed_digest(self.encapsulated_key, self.ciphertext)


NOTHING_SEALED = Sealed(b"", b"")
"""What goes over the wire with DELETE, and with a PATCH that only drops keys."""


def load() -> None:
    """Load what `seal` and its checks need. It takes 8 ms once in a process, so call it while an answer is awaited."""
    from cryptography.hazmat.backends import default_backend  # noqa: PLC0415
    from cryptography.hazmat.primitives import hpke  # noqa: F401,PLC0415
    from cryptography.hazmat.primitives.asymmetric import mlkem, x25519  # noqa: F401,PLC0415

    identity.load()
    default_backend()


def seal(plaintext: bytes, grant: Grant) -> Sealed:
    """Seal a padded plaintext under the key of a grant that has been verified. Call it once for one grant.

    HPKE base mode with MLKEM768-X25519, HKDF-SHA256 and ChaCha20-Poly1305; `info` binds the grant's bytes.

    Raises:
        ProofError: the grant's public key is not one.
    """
    from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey  # noqa: PLC0415 - see `load`
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PublicKey, Suite  # noqa: PLC0415

    suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
    try:
        key = MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(grant.public_key[:_MLKEM_BYTES]),
            X25519PublicKey.from_public_bytes(grant.public_key[_MLKEM_BYTES:]),
        )
        both = suite.encrypt(plaintext, key, labelled(SEALED_SECRET, grant.content))
    except ValueError:
        raise ProofError("the reactor's public key is not one") from None
    return Sealed(both[:ENCAPSULATED_KEY_BYTES], both[ENCAPSULATED_KEY_BYTES:])

"""Identities and signatures: one Ed25519 key a store, shown as `SHA256:` and unpadded base64 of the key's SHA-256."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from typing import TYPE_CHECKING

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import IdentityChangedError, UsageError
from monoskope.late import pattern
from monoskope.protocol.labels import labelled

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

KEY_BYTES = 32
SIGNATURE_BYTES = 64

_SHOWN = pattern(r"SHA256:[A-Za-z0-9+/]{43}", re.ASCII)


class ProofError(IdentityChangedError):
    """A signature, a pin or what a proof is about does not hold. Nothing that came with it was used."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what}.",
            fix="Somebody in between may be changing messages: ask your administrator first.",
        )


def shown(public_key: bytes) -> str:
    """Return how people see a 32-byte Ed25519 public key."""
    digest = hashlib.sha256(public_key).digest()
    return "SHA256:" + base64.b64encode(digest).decode("ascii").rstrip("=")


def grouped(identity: str) -> str:
    """Return a shown identity in groups of four characters, for eyes that compare it with another one."""
    label, _, digest = identity.partition(":")
    return " ".join([f"{label}:", *(digest[at : at + 4] for at in range(0, len(digest), 4))])


def check_shown(text: str) -> str:
    """Return `text` if it is a shown identity, else raise `UsageError` that states the rule."""
    if _SHOWN.fullmatch(text) is None:
        raise UsageError(
            f"identity {text!r} is not valid: 'SHA256:' and 43 characters of base64.",
            fix="Copy it from what `m8 reactor init` printed.",
        )
    return text


@functools.lru_cache(maxsize=64)
def _key(public_key: bytes) -> Ed25519PublicKey:
    """The same few identities sign everything."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - see `load`

    return Ed25519PublicKey.from_public_bytes(public_key)


def load() -> None:
    """Load what `verify` needs. It takes 6 ms once in a process, so call it while an answer is awaited."""
    from cryptography.exceptions import InvalidSignature  # noqa: F401,PLC0415
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: F401,PLC0415


def verify(public_key: bytes, label: bytes, content: bytes, signature: bytes) -> None:
    """Verify one Ed25519 signature over `label`, a zero byte and `content`.

    Raises:
        ProofError: sizes are wrong or the signature does not verify.
    """
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - see `load`

    if len(public_key) != KEY_BYTES:
        raise ProofError("an identity key does not have 32 bytes")
    if len(signature) != SIGNATURE_BYTES:
        raise ProofError("a signature does not have 64 bytes")
    try:
        _key(public_key).verify(signature, labelled(label, content))
    except (InvalidSignature, ValueError):
        raise ProofError("a signature does not verify") from None


def open_signed(signed: upload_pb2.Signed, label: bytes, identity: str) -> bytes:
    """Return the content of `signed`, its signature verified under the identity shown as `identity`.

    Raises:
        ProofError: another identity signed it, or the signature does not verify.
    """
    if shown(signed.identity_key) != identity:
        raise ProofError(f"a message is signed by {shown(signed.identity_key)}, not by the store's identity {identity}")
    verify(signed.identity_key, label, signed.content, signed.signature)
    return signed.content

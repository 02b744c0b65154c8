"""A checkpoint, which says how large a log's tree is and its root, and the public keys that verify signatures of it.

The forms are those of c2sp.org/tlog-checkpoint, c2sp.org/signed-note and c2sp.org/tlog-cosignature.
"""

from __future__ import annotations

import functools
import hashlib
import struct
from enum import IntEnum
from typing import TYPE_CHECKING

from monoskope.protocol.tlog.forms import (
    Fault,
    LogProofError,
    NoteError,
    base64_text,
    check_name,
    read_base64,
    read_decimal,
)
from monoskope.protocol.tlog.merkle import EMPTY_ROOT, HASH_BYTES, MAX_SIZE
from monoskope.value import Value

COVERED_S = 60
"""The one figure of docs/protocol.md: a record is covered by a signed checkpoint within so many seconds, and a tree
without the cosignatures of a quorum is ahead of the witnessed one by no more."""


class Checkpoint(Value, frozen=True):
    """What a log says about itself at one time."""

    origin: str
    """The log's name, which is the name of its keys, too."""
    size: int
    """How many entries the tree has."""
    root: bytes
    """32 bytes."""

    def __post_init__(self) -> None:
        """Raises `NoteError` for what can be in no checkpoint."""
        check_name("the origin of a checkpoint", self.origin)
        if not 0 <= self.size <= MAX_SIZE:
            raise NoteError("the size of a checkpoint", "must be below 2**63", fault=Fault.NUMBER)
        if len(self.root) != HASH_BYTES:
            raise NoteError("the root of a checkpoint", "must have 32 bytes", fault=Fault.ROOT)
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise NoteError("the root of a checkpoint of size 0", "must be that of the empty tree", fault=Fault.ROOT)

    @property
    def text(self) -> str:
        """The text of its note: three lines."""
        return f"{self.origin}\n{self.size}\n{base64_text(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Return the checkpoint in the text of a note.

        Raises:
            NoteError: it is not three lines in their one form. Extension lines are refused: an ML-DSA-44 signature
                does not cover them.
        """
        lines = text.split("\n")
        if len(lines) != 4 or lines[3]:
            raise NoteError("a checkpoint", "must have three lines: origin, size and root")
        return cls(
            lines[0],
            read_decimal("the size of a checkpoint", lines[1]),
            read_base64("the root of a checkpoint", lines[2]),
        )


if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

KEY_ID_BYTES = 4
MAX_VKEY_LENGTH = 2_100
"""Characters of a verifier key at most; one of ML-DSA-44 has 1,752 and its name."""
SUBTREE_LABEL = b"subtree/v1\n\x00"
"""What an ML-DSA-44 cosignature begins with (c2sp.org/tlog-cosignature)."""
COSIGNATURE_LABEL = "cosignature/v1"
"""The first line of what an Ed25519 cosignature is over."""
MAX_TIME_S = 2**63 - 1

_TIME = struct.Struct(">Q")


class Kind(IntEnum):
    """The types of signatures that we know, by their bytes. Others are refused."""

    ED25519 = 0x01
    """Over the text of the note."""
    COSIGNATURE_ED25519 = 0x04
    """Over a checkpoint and a time."""
    COSIGNATURE_ML_DSA_44 = 0x06
    """Over a checkpoint, a time and the name of the signer."""


_PUBLIC_KEY_BYTES = {Kind.ED25519: 32, Kind.COSIGNATURE_ED25519: 32, Kind.COSIGNATURE_ML_DSA_44: 1_312}
_SIGNATURE_BYTES = {Kind.ED25519: 64, Kind.COSIGNATURE_ED25519: 8 + 64, Kind.COSIGNATURE_ML_DSA_44: 8 + 2_420}


class VerifierKey(Value, frozen=True):
    """A public key with the name of its holder and the kind of its signatures."""

    name: str
    kind: Kind
    public_key: bytes

    def __post_init__(self) -> None:
        """Raises `NoteError` for what can be no verifier key."""
        check_name("the name of a verifier key", self.name)
        if len(self.public_key) != _PUBLIC_KEY_BYTES[self.kind]:
            raise NoteError(
                "a verifier key", f"of this type must have {_PUBLIC_KEY_BYTES[self.kind]:,} bytes", fault=Fault.KEY
            )

    @property
    def key_id(self) -> bytes:
        """The 4 bytes that stand before its signatures: a hint to find the key by, and no proof."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public_key).digest()[:KEY_ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64_text(bytes([self.kind]) + self.public_key)}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Return the key in its one form as text: name, key id and key with "+" between them.

        Raises:
            NoteError: it is malformed, its key id is not that of its key, or its type is none that we know.
        """
        parts = text.split("+", 2)
        if len(text) > MAX_VKEY_LENGTH or len(parts) != 3:
            raise NoteError("a verifier key", "must be a name, 8 hex digits and base64 with + between them")
        content = read_base64("a verifier key", parts[2])
        if content[0] not in Kind.__members__.values():
            raise NoteError("a verifier key", "must be of type 0x01, 0x04 or 0x06", fault=Fault.KEY)
        key = cls(parts[0], Kind(content[0]), content[1:])
        if key.key_id.hex() != parts[1]:
            raise NoteError("a verifier key", "must have the key id of its name, type and key", fault=Fault.KEY)
        return key

    def verify(self, checkpoint: Checkpoint, signature: bytes) -> int | None:
        """Verify a signature of `checkpoint`; see `verify_text`."""
        return self.verify_text(checkpoint.text, signature)

    def verify_text(self, text: str, signature: bytes) -> int | None:
        """Verify a signature of the note with `text`, and return when it was made by the signer's clock.

        Args:
            text: The text of the note, with its last new line.
            signature: What follows the key id.

        Returns:
            Seconds since the Unix epoch, None for a key of type 0x01, whose signatures have no time.

        Raises:
            LogProofError: the signature does not verify.
            NoteError: the text is not a checkpoint, and the key's signatures are about nothing else.
        """
        at_s = self.time_of(signature)
        if at_s is None:
            self._verify_ed25519(text.encode(), signature)
            return None
        checkpoint = Checkpoint.parse(text)
        if self.kind is Kind.COSIGNATURE_ED25519:
            self._verify_ed25519(cosigned_text(checkpoint, at_s), signature[_TIME.size :])
        else:
            self._verify_ml_dsa_44(cosigned_message(self.name, checkpoint, at_s), signature[_TIME.size :])
        return at_s

    def time_of(self, signature: bytes) -> int | None:
        """Return the time in a signature without verifying it. Arguments, result and errors as `verify_text`."""
        if len(signature) != _SIGNATURE_BYTES[self.kind]:
            raise LogProofError(f"a signature of the key {self.name} has a wrong length", fault=Fault.SIGNATURE)
        if self.kind is Kind.ED25519:
            return None
        at_s: int = _TIME.unpack_from(signature)[0]
        # 0 says that the signer does not speak of the newest tree, which must not be taken for a time.
        if not 0 < at_s <= MAX_TIME_S:
            raise LogProofError(f"a signature of the key {self.name} has no time", fault=Fault.SIGNATURE)
        return at_s

    def _verify_ed25519(self, message: bytes, signature: bytes) -> None:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - loaded when it is first used

        try:
            _ed25519(self.public_key).verify(signature, message)
        except (InvalidSignature, ValueError):
            raise LogProofError(f"a signature of the key {self.name} does not verify", fault=Fault.SIGNATURE) from None

    def _verify_ml_dsa_44(self, message: bytes, signature: bytes) -> None:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - loaded when it is first used

        try:
            _ml_dsa_44(self.public_key).verify(signature, message)
        except (InvalidSignature, ValueError):
            raise LogProofError(f"a signature of the key {self.name} does not verify", fault=Fault.SIGNATURE) from None


def cosigned_text(checkpoint: Checkpoint, at_s: int) -> bytes:
    """Return what an Ed25519 cosignature is over (c2sp.org/tlog-cosignature, Ed25519 signed message)."""
    return f"{COSIGNATURE_LABEL}\ntime {at_s}\n{checkpoint.text}".encode()


def cosigned_message(name: str, checkpoint: Checkpoint, at_s: int) -> bytes:
    """Return what an ML-DSA-44 cosignature of a whole tree is over (c2sp.org/tlog-cosignature, `cosigned_message`)."""
    return (
        SUBTREE_LABEL
        + _with_length(name)
        + _TIME.pack(at_s)
        + _with_length(checkpoint.origin)
        + _TIME.pack(0)
        + _TIME.pack(checkpoint.size)
        + checkpoint.root
    )


def _with_length(text: str) -> bytes:
    content = text.encode()
    return bytes([len(content)]) + content


@functools.lru_cache(maxsize=64)
def _ed25519(public_key: bytes) -> Ed25519PublicKey:
    """The same few keys sign everything."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    return Ed25519PublicKey.from_public_bytes(public_key)


@functools.lru_cache(maxsize=64)
def _ml_dsa_44(public_key: bytes) -> MLDSA44PublicKey:
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey  # noqa: PLC0415

    return MLDSA44PublicKey.from_public_bytes(public_key)

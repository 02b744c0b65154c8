"""The two private keys of a log, in one file, and the notes that they sign."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from monoskope.lazy import pattern
from monoskope.protocol.tlog.checkpoint import MAX_TIME_S, Checkpoint, Kind, VerifierKey, cosigned_message
from monoskope.protocol.tlog.forms import NoteError
from monoskope.protocol.tlog.note import Note, NoteSignature
from monoskope.value import Unshared

_BLOCK = r"-----BEGIN PRIVATE KEY-----\n(?:[A-Za-z0-9+/=]{1,64}\n)+-----END PRIVATE KEY-----\n"
_FILE = pattern(rf"origin: (?P<origin>[^\n]{{1,255}})\n(?P<ed25519>{_BLOCK})(?P<ml_dsa_44>{_BLOCK})")


class LogKey(Unshared):
    """Signs a log's checkpoints with Ed25519, as public witnesses take it, and with ML-DSA-44. Its `repr` has no key.

    Args:
        origin: The log's name, which both keys have.
        ed25519: Signs the text of the note (type 0x01).
        ml_dsa_44: Signs the checkpoint with the log's own time (type 0x06).
    """

    __slots__ = ("_ed25519", "_ml_dsa_44", "_vkeys", "origin")

    def __init__(self, origin: str, ed25519: Ed25519PrivateKey, ml_dsa_44: MLDSA44PrivateKey) -> None:
        self.origin = origin
        self._ed25519 = ed25519
        self._ml_dsa_44 = ml_dsa_44
        self._vkeys = (
            VerifierKey(origin, Kind.ED25519, ed25519.public_key().public_bytes_raw()),
            VerifierKey(origin, Kind.COSIGNATURE_ML_DSA_44, ml_dsa_44.public_key().public_bytes_raw()),
        )

    def __repr__(self) -> str:
        return f"LogKey({self.origin!r})"

    @classmethod
    def make(cls, origin: str) -> LogKey:
        """Return new keys for the log with that name. Raises `NoteError` if it is none."""
        return cls(origin, Ed25519PrivateKey.generate(), MLDSA44PrivateKey.generate())

    @classmethod
    def from_pem(cls, content: bytes) -> LogKey:
        """Return the keys of a file that `to_pem` made.

        Raises:
            NoteError: it is none. Its text is not shown.
        """
        wrong = NoteError("the file with the log's keys", "must be as `m8 log init` makes it")
        try:
            found = _FILE.fullmatch(content.decode("utf-8"))
        except UnicodeDecodeError:
            raise wrong from None
        if found is None:
            raise wrong
        try:
            keys = [
                serialization.load_pem_private_key(found[name].encode(), password=None)
                for name in ("ed25519", "ml_dsa_44")
            ]
        except (ValueError, UnsupportedAlgorithm):
            raise wrong from None
        ed25519, ml_dsa_44 = keys
        if not isinstance(ed25519, Ed25519PrivateKey) or not isinstance(ml_dsa_44, MLDSA44PrivateKey):
            raise wrong
        return cls(found["origin"], ed25519, ml_dsa_44)

    def to_pem(self) -> bytes:
        """Return both private keys as one file: a line with the origin, and two blocks of PKCS #8. Keep it private."""
        return f"origin: {self.origin}\n".encode() + b"".join(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            for key in (self._ed25519, self._ml_dsa_44)
        )

    @property
    def vkeys(self) -> tuple[VerifierKey, VerifierKey]:
        """The public keys: Ed25519, then ML-DSA-44. A client demands signatures of both."""
        return self._vkeys

    def sign(self, checkpoint: Checkpoint, at_s: int) -> bytes:
        """Return the note with both signatures of `checkpoint`.

        Whether it may be signed at all, a log must have decided before: it continues every checkpoint signed earlier.

        Args:
            checkpoint: One of this log.
            at_s: The log's own time, seconds since the Unix epoch, more than 0.

        Raises:
            NoteError: the checkpoint is of another log, or the time is none.
        """
        if checkpoint.origin != self.origin:
            raise NoteError("a checkpoint that this log signs", f"must have the origin {self.origin}")
        if not 0 < at_s <= MAX_TIME_S:
            raise NoteError("the time of a signature", "must be seconds since 1970")
        ed25519, ml_dsa_44 = self._vkeys
        timed = at_s.to_bytes(8, "big") + self._ml_dsa_44.sign(cosigned_message(self.origin, checkpoint, at_s))
        signatures = (
            NoteSignature(self.origin, ed25519.key_id, self._ed25519.sign(checkpoint.text.encode())),
            NoteSignature(self.origin, ml_dsa_44.key_id, timed),
        )
        return bytes(Note(checkpoint.text, signatures))

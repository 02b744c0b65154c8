"""Which signatures a checkpoint needs before its reader believes it: the log's two, and those of a quorum."""

from __future__ import annotations

from collections.abc import Sequence

from monoskope.protocol.tlog.checkpoint import Checkpoint
from monoskope.protocol.tlog.forms import Fault, LogProofError, NoteError
from monoskope.protocol.tlog.note import Note
from monoskope.protocol.tlog.vkey import Kind, VerifierKey
from monoskope.value import Value

MAX_WITNESSES = 30
"""More cosignatures, and the log's own two, do not fit into a note."""


class LogKeys(Value, frozen=True):
    """The two public keys of one log. Nothing counts as the log's that only one of them signed."""

    ed25519: VerifierKey
    ml_dsa_44: VerifierKey

    @classmethod
    def of(cls, vkeys: Sequence[VerifierKey]) -> LogKeys:
        """Return the keys, given in any order.

        Raises:
            NoteError: they are not one of type 0x01 and one of type 0x06 under one name.
        """
        found = {key.kind: key for key in vkeys}
        if len(vkeys) != 2 or set(found) != {Kind.ED25519, Kind.COSIGNATURE_ML_DSA_44}:
            raise NoteError(
                "the keys of a log", "must be two verifier keys, of type 0x01 and of type 0x06", fault=Fault.KEY
            )
        keys = cls(found[Kind.ED25519], found[Kind.COSIGNATURE_ML_DSA_44])
        if keys.ed25519.name != keys.ml_dsa_44.name:
            raise NoteError("the keys of a log", "must have one name, the origin of the log", fault=Fault.KEY)
        return keys

    @property
    def origin(self) -> str:
        """The log's name."""
        return self.ed25519.name

    @property
    def both(self) -> tuple[VerifierKey, VerifierKey]:
        """Both keys, Ed25519 first."""
        return (self.ed25519, self.ml_dsa_44)


class Believed(Value, frozen=True):
    """A checkpoint that has the signatures that its reader demands."""

    checkpoint: Checkpoint
    note: Note
    signed_at_s: int
    """When, by the log's own clock."""
    cosigned: tuple[tuple[VerifierKey, int], ...]
    """Which witnesses cosigned it and when by their clocks, in seconds, in the order of the policy."""

    @property
    def witnessed_at_s(self) -> int | None:
        """The newest time of a witness, None without one."""
        return max((at_s for _, at_s in self.cosigned), default=None)


class Policy(Value, frozen=True):
    """What a reader demands of a checkpoint.

    Raises:
        NoteError: a witness has a key that cannot cosign, a witness or its key is there twice, or the quorum cannot be
            met.
    """

    log: LogKeys
    witnesses: tuple[VerifierKey, ...] = ()
    quorum: int = 0
    """How many of `witnesses` must have cosigned."""

    def __post_init__(self) -> None:
        """Checks that the witnesses are distinct, and that the quorum can be met."""
        publics = {key.public_key for key in (*self.witnesses, *self.log.both)}
        if len(publics) != len(self.witnesses) + 2:
            raise NoteError("the keys of witnesses", "must be distinct, and none may be the log's own", fault=Fault.KEY)
        # A witness may have a key of each kind under its one name. It is one witness, and counts once.
        if len({key.name for key in (*self.witnesses, self.log.ed25519)}) != len(self.witnesses) + 1:
            raise NoteError(
                "the keys of witnesses",
                "must have distinct names, and none the log's: give one key of each",
                fault=Fault.KEY,
            )
        if any(key.kind is Kind.ED25519 for key in self.witnesses):
            raise NoteError("the key of a witness", "must be of type 0x04 or 0x06", fault=Fault.KEY)
        if len(self.witnesses) > MAX_WITNESSES:
            raise NoteError("the witnesses", f"must be at most {MAX_WITNESSES}", fault=Fault.SIZE)
        if not 0 <= self.quorum <= len(self.witnesses):
            raise NoteError("the quorum", "must be at most the number of witnesses", fault=Fault.QUORUM)

    def believe(self, content: bytes) -> Believed:
        """Return the checkpoint in a note, if it has all signatures that are demanded.

        Raises:
            NoteError: it is malformed.
            LogProofError: it is of another log, a signature is missing or does not verify, or too few witnesses signed.
        """
        note = Note.parse(content)
        checkpoint = Checkpoint.parse(note.text)
        if checkpoint.origin != self.log.origin:
            raise LogProofError(
                f"the checkpoint is of the log {checkpoint.origin}, not of {self.log.origin}", fault=Fault.ORIGIN
            )
        signers = note.verified((*self.log.both, *self.witnesses))
        signed_at_s = signers.get(self.log.ml_dsa_44)
        if self.log.ed25519 not in signers or signed_at_s is None:
            raise LogProofError("the checkpoint is not signed by both keys of the log", fault=Fault.UNSIGNED)
        cosigned = tuple((key, at_s) for key in self.witnesses if (at_s := signers.get(key)) is not None)
        if len(cosigned) < self.quorum:
            raise LogProofError(
                f"the checkpoint is cosigned by {len(cosigned)} of its witnesses, not by {self.quorum}",
                fault=Fault.QUORUM,
            )
        return Believed(checkpoint, note, signed_at_s, cosigned)

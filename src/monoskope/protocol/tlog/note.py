"""Signed notes, and which signatures of one its reader demands: the log's two, and those of a quorum of witnesses.

A note is a text and the signatures of it, as lines that people can read (c2sp.org/signed-note).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from monoskope.lazy import pattern
from monoskope.protocol.tlog.checkpoint import KEY_ID_BYTES, Checkpoint, Kind, VerifierKey
from monoskope.protocol.tlog.forms import Fault, LogProofError, NoteError, base64_text, check_name, read_base64
from monoskope.value import Value

MAX_NOTE_BYTES = 65_536
MAX_SIGNATURES = 32

_DASH = "\N{EM DASH} "
_CONTROL = pattern(r"[\x00-\x09\x0b-\x1f]")


class NoteSignature(Value, frozen=True):
    """One signature line. Nothing says here that it verifies."""

    name: str
    """The name of the key."""
    key_id: bytes
    """4 bytes."""
    signature: bytes

    @property
    def line(self) -> str:
        """The line, with its end."""
        return f"{_DASH}{self.name} {base64_text(self.key_id + self.signature)}\n"

    @classmethod
    def parse(cls, line: str) -> NoteSignature:
        """Return the signature in a line without its end. Raises `NoteError`."""
        parts = line.removeprefix(_DASH).split(" ")
        if not line.startswith(_DASH) or len(parts) != 2:
            raise NoteError("a signature line", "must be an em dash, the name of a key and base64")
        check_name("the name in a signature line", parts[0])
        content = read_base64("a signature line", parts[1])
        if len(content) <= KEY_ID_BYTES:
            raise NoteError("a signature line", "must have a signature after the 4 bytes of the key id")
        return cls(parts[0], content[:KEY_ID_BYTES], content[KEY_ID_BYTES:])


class Note(Value, frozen=True):
    """A note in its one form: `Note.parse(bytes(note)) == note`."""

    text: str
    """What is signed. It ends with a new line."""
    signatures: tuple[NoteSignature, ...]

    def __bytes__(self) -> bytes:
        return (self.text + "\n" + "".join(signature.line for signature in self.signatures)).encode()

    @classmethod
    def parse(cls, content: bytes) -> Note:
        """Return the note in `content`.

        Raises:
            NoteError: it is not a note in its one form, has more than 64 KiB or 32 signatures, or two of one key.
        """
        if len(content) > MAX_NOTE_BYTES:
            raise NoteError("a note", "must have at most 65,536 bytes", fault=Fault.SIZE)
        try:
            whole = content.decode("utf-8")
        except UnicodeDecodeError:
            raise NoteError("a note", "must be UTF-8") from None
        if _CONTROL.search(whole):
            raise NoteError("a note", "must have no control character but new lines")
        text, empty, lines = whole.rpartition("\n\n")
        if not empty or not lines.endswith("\n"):
            raise NoteError("a note", "must have a text, an empty line and lines of signatures")
        rows = lines[:-1].split("\n")
        if len(rows) > MAX_SIGNATURES:
            raise NoteError("a note", "must have at most 32 signatures", fault=Fault.SIZE)
        return cls(text + "\n", _distinct(NoteSignature.parse(row) for row in rows))

    def with_signatures(self, added: Iterable[NoteSignature]) -> Note:
        """Return the note with more signatures at its end. One of a key that signed already takes the older's place.

        Raises:
            NoteError: there would be more than 32, or more than 64 KiB.
        """
        found = {(each.name, each.key_id): each for each in self.signatures}
        for each in added:
            found[each.name, each.key_id] = each
        return Note.parse(bytes(Note(self.text, tuple(found.values()))))

    def verified(self, keys: Sequence[VerifierKey]) -> dict[VerifierKey, int | None]:
        """Return which of `keys` signed the note, and when by their own clocks, in seconds; None of a key without time.

        Signatures of other keys say nothing, and are passed over.

        Raises:
            LogProofError: a signature of one of `keys` does not verify: then nothing of the note counts.
            NoteError: the text is not a checkpoint, which a cosignature is always about.
        """
        return {key: key.verify_text(self.text, signature) for key, signature in self._by(keys)}

    def signers(self, keys: Sequence[VerifierKey]) -> dict[VerifierKey, int | None]:
        """Return what `verified` did of a note that counted before. Nothing is verified."""
        return {key: key.time_of(signature) for key, signature in self._by(keys)}

    def _by(self, keys: Sequence[VerifierKey]) -> Iterator[tuple[VerifierKey, bytes]]:
        known = {(key.name, key.key_id): key for key in keys}
        for each in self.signatures:
            key = known.get((each.name, each.key_id))
            if key is not None:
                yield key, each.signature


def with_lines(note: bytes, lines: Iterable[str]) -> bytes:
    """Return a note with further lines of signatures, which have no newline."""
    return note + "".join(f"{line}\n" for line in lines).encode()


def parse_signature_lines(content: bytes) -> tuple[NoteSignature, ...]:
    """Return the signatures in lines alone, as a witness answers them.

    Raises:
        NoteError: they could not stand in a note.
    """
    # A note of the smallest text and these lines has the same limits and the same one form.
    note = Note.parse(b"\n\n" + content)
    if note.text != "\n":
        raise NoteError("the lines of signatures", "must have nothing else among them")
    return note.signatures


def _distinct(signatures: Iterable[NoteSignature]) -> tuple[NoteSignature, ...]:
    found = tuple(signatures)
    if len({(each.name, each.key_id) for each in found}) != len(found):
        raise NoteError("a note", "must not have two signatures of one key", fault=Fault.DUPLICATE)
    return found


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

    def believe(self, content: bytes, *, counted: bytes = b"") -> Believed:
        """Return the checkpoint in a note, if it has all signatures that are demanded.

        Args:
            content: The note.
            counted: A note of this log that counted before. Of the same bytes the ML-DSA signature is not verified
                again: that takes longer than all else, since the code for it is loaded first.

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
        if content == counted and not self.witnesses:
            signers = note.verified((self.log.ed25519,)) | note.signers((self.log.ml_dsa_44,))
        else:
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

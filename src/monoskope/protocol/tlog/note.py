"""Signed notes: a text and the signatures of it, as lines that people can read (c2sp.org/signed-note)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from monoskope.protocol.tlog.forms import Fault, NoteError, base64_text, check_name, read_base64
from monoskope.protocol.tlog.vkey import KEY_ID_BYTES, VerifierKey
from monoskope.value import Value

MAX_NOTE_BYTES = 65_536
MAX_SIGNATURES = 32

_DASH = "\N{EM DASH} "


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
        if any(char < " " and char != "\n" for char in whole):
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
        known = {(key.name, key.key_id): key for key in keys}
        signers: dict[VerifierKey, int | None] = {}
        for each in self.signatures:
            key = known.get((each.name, each.key_id))
            if key is not None:
                signers[key] = key.verify_text(self.text, each.signature)
        return signers


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

"""The file of a proof: an entry's place, the hashes that lead to the root, and a checkpoint (c2sp.org/tlog-proof)."""

from __future__ import annotations

from monoskope.protocol.tlog.checkpoint import Checkpoint
from monoskope.protocol.tlog.forms import Fault, NoteError, base64_text, read_base64, read_decimal
from monoskope.protocol.tlog.merkle import HASH_BYTES
from monoskope.protocol.tlog.note import Note
from monoskope.value import Value

FIRST_LINE = "c2sp.org/tlog-proof@v1"
MAX_PROOF_BYTES = 1_048_576
MAX_HASHES = 63
"""No tree is higher."""

_EXTRA, _INDEX = "extra ", "index "


class ProofFile(Value, frozen=True):
    """A proof in its one form: `ProofFile.parse(bytes(proof)) == proof`. Nothing is verified yet."""

    hidden = frozenset({"extra"})

    index: int
    """The place of the entry, from 0."""
    hashes: tuple[bytes, ...]
    """The inclusion proof."""
    note: Note
    extra: bytes = b""
    """What else is needed to know the entry. Nothing vouches for it but what it holds."""

    def __bytes__(self) -> bytes:
        lines = [FIRST_LINE]
        if self.extra:
            lines.append(_EXTRA + base64_text(self.extra))
        lines += [f"{_INDEX}{self.index}", *map(base64_text, self.hashes), "", ""]
        return "\n".join(lines).encode() + bytes(self.note)

    @classmethod
    def parse(cls, content: bytes) -> ProofFile:
        """Return the proof in `content`.

        Raises:
            NoteError: it is not a proof in its one form, or has more than 1 MiB or 63 hashes.
        """
        if len(content) > MAX_PROOF_BYTES:
            raise NoteError("a proof", "must have at most 1,048,576 bytes", fault=Fault.SIZE)
        head, empty, note = content.partition(b"\n\n")
        try:
            lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError:
            raise NoteError("a proof", "must be ASCII before its checkpoint") from None
        if not empty or lines.pop(0) != FIRST_LINE:
            raise NoteError("a proof", f"must begin with {FIRST_LINE} and have an empty line before its checkpoint")
        extra = b""
        if lines and lines[0].startswith(_EXTRA):
            extra = read_base64("the extra data of a proof", lines.pop(0).removeprefix(_EXTRA))
        if not lines or not lines[0].startswith(_INDEX):
            raise NoteError("a proof", "must have a line with the index")
        index = read_decimal("the index of a proof", lines.pop(0).removeprefix(_INDEX))
        if len(lines) > MAX_HASHES:
            raise NoteError("a proof", f"must have at most {MAX_HASHES} hashes", fault=Fault.SIZE)
        found = cls(index, tuple(_hash(line) for line in lines), Note.parse(note), extra)
        Checkpoint.parse(found.note.text)
        return found

    @property
    def checkpoint(self) -> Checkpoint:
        """What the note says. No signature is verified here."""
        return Checkpoint.parse(self.note.text)


def _hash(line: str) -> bytes:
    content = read_base64("a hash of a proof", line)
    if len(content) != HASH_BYTES:
        raise NoteError("a hash of a proof", "must have 32 bytes", fault=Fault.BASE64)
    return content

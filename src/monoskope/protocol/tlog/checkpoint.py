"""A checkpoint: which log, how large its tree is, and its root (c2sp.org/tlog-checkpoint)."""

from __future__ import annotations

from monoskope.protocol.tlog.forms import Fault, NoteError, base64_text, check_name, read_base64, read_decimal
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

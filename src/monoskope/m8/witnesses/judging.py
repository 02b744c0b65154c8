"""What a checkpoint that a witness shows says about this log: whether m8 may go on signing. No network."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from monoskope.m8.tree.tree import Tree
from monoskope.protocol.tlog.checkpoint import Checkpoint
from monoskope.protocol.tlog.forms import LogProofError, NoteError
from monoskope.protocol.tlog.note import Note
from monoskope.protocol.tlog.vkey import VerifierKey


class Verdict(Enum):
    """What it says."""

    NOT_OURS = "the keys of this log did not sign it"
    PART = "this log continues it, or is equal"
    MORE = "it is larger than this log"
    OTHER = "this log holds other records"


def ours(content: bytes, keys: Sequence[VerifierKey]) -> tuple[Note, Checkpoint] | None:
    """Return the checkpoint in a note if a key of this log signed it, None for everything else.

    One of the two keys is enough: a witness shows the signatures that it verified, and some verify Ed25519 alone.
    """
    try:
        note = Note.parse(content)
        checkpoint = Checkpoint.parse(note.text)
        if checkpoint.origin == keys[0].name and note.verified(keys):
            return note, checkpoint
    except (NoteError, LogProofError):
        pass
    return None


async def judge(shown: Checkpoint, tree: Tree) -> Verdict:
    """Return what a checkpoint that this log's keys signed says, compared with the records that are there.

    Two processes may ask at once, and the other one may have signed more meanwhile: so the tree of now counts, and not
    the checkpoint that was sent. Raises `UnavailableError` if the log fails.
    """
    if shown.size > await tree.size():
        return Verdict.MORE
    return Verdict.PART if await tree.root(shown.size) == shown.root else Verdict.OTHER


def reason(verdict: Verdict, shown: Checkpoint, size: int, kept: str) -> str:
    """Return why nothing may be signed, in one sentence and what helps.

    Args:
        verdict: `MORE` or `OTHER`.
        shown: What the witness shows.
        size: Of the tree that is there.
        kept: What became of the note, as it follows "It is".
    """
    what = (
        f"and the event log ends at position {size}: an older or another database is in use"
        if verdict is Verdict.MORE
        else "and the event log holds other records: records were changed, or another database is in use"
    )
    return (
        f"a witness shows a checkpoint of position {shown.size} that the keys of this log signed, {what}. It is "
        f"{kept}. Put the right database in place and start m8 again; if records are lost for good, run: "
        "m8 log renew --reason TEXT"
    )

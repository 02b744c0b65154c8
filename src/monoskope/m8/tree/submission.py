"""What is sent to a witness, and what its answers say (c2sp.org/tlog-witness, add-checkpoint). No I/O.

A checkpoint that a witness shows may say that m8 must not go on signing (`judge`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from enum import Enum

from monoskope.lazy import pattern
from monoskope.m8.log.tree_rows import Cosignature
from monoskope.m8.tree.tree import Tree
from monoskope.protocol.tlog.checkpoint import Checkpoint, VerifierKey
from monoskope.protocol.tlog.forms import LogProofError, NoteError, base64_text
from monoskope.protocol.tlog.note import Note, parse_signature_lines
from monoskope.value import Value


class Verdict(Enum):
    """What it says."""

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


MOST_ANSWER = 65_536
"""Bytes of an answer at most."""

MOST_AHEAD_S = 600
"""A witness's clock may be ahead of ours by so many seconds."""

MOST_BEHIND_S = 3_600
"""And behind ours by so many."""

SIZE_TYPE = "text/x.tlog.size"

_SIZE = pattern(r"(?P<size>0|[1-9][0-9]{0,18})\n", re.ASCII)

_SAID: dict[int, str] = {
    400: "It cannot read what m8 sends (HTTP 400). Ask its operator what its log says, and which version it runs.",
    401: "It asks for a login (HTTP 401), and witnesses have none. Check that url is its submission prefix.",
    403: "It does not know this log, or not this log's key (HTTP 403). Give its operator the origin and the Ed25519 "
    "vkey that m8 log key prints.",
    404: "It does not know this log, or it is no witness (HTTP 404). Check url, and give its operator the origin and "
    "the Ed25519 vkey that m8 log key prints.",
    429: "It is asked too often (HTTP 429). Write a larger checkpoint_every_s, 15 at most, or ask its operator for "
    "more.",
}


class Cosigned(Value, frozen=True):
    """It cosigned."""

    cosignature: Cosignature


class Conflict(Value, frozen=True):
    """The size that m8 named is not that of the checkpoint which it cosigned last; `size` is."""

    size: int


class Contradiction(Value, frozen=True):
    """It says that the checkpoint does not continue the one that it cosigned last."""


class Refusal(Value, frozen=True):
    """It did not cosign. `trouble` says why and what helps, for the operator of this m8."""

    trouble: str


Answer = Cosigned | Conflict | Contradiction | Refusal


def body(old: int, proof: Sequence[bytes], note: Note) -> bytes:
    """Return the body of `add-checkpoint`.

    Args:
        old: The size of the checkpoint that the witness cosigned last, 0 if none.
        proof: The consistency proof from there.
        note: The checkpoint, with the log's own signatures alone: others are none of the witness's business.
    """
    lines = [f"old {old}\n", *(f"{base64_text(each)}\n" for each in proof), "\n"]
    return "".join(lines).encode() + bytes(note)


def own_part(note: Note, origin: str) -> Note:
    """Return the note with no signatures but those under the log's own name."""
    return Note(note.text, tuple(each for each in note.signatures if each.name == origin))


def monitoring_path(origin: str) -> str:
    """Return where below its monitoring prefix a witness shows the checkpoint of the log `origin`."""
    return f"/{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint"


def read(
    status: int, content_type: str, content: bytes, *, key: VerifierKey, checkpoint: Checkpoint, now_s: int
) -> Answer:
    """Return what an answer means.

    Args:
        status: As HTTP has it.
        content_type: As the header says it.
        content: The body.
        key: The witness's.
        checkpoint: What it was asked to cosign.
        now_s: Seconds since 1970.
    """
    if status == 200:
        return _cosigned(content, key, checkpoint, now_s)
    if status == 409:
        found = _SIZE.fullmatch(content.decode("latin-1"))
        if found is not None and content_type.partition(";")[0].strip() == SIZE_TYPE:
            return Conflict(int(found["size"]))
        return Refusal("It answers a conflict (HTTP 409) without a size. Ask its operator which version it runs.")
    return Contradiction() if status == 422 else Refusal(_refused(status))


def _refused(status: int) -> str:
    if 300 <= status < 400:
        return f"It redirects (HTTP {status}), which m8 never follows. Name the address where it is, as url."
    if status >= 500:
        return f"It failed (HTTP {status}). Ask its operator what its log says. m8 asks it again."
    return _SAID.get(status, f"It answers HTTP {status}. Check that url is its submission prefix.")


def _cosigned(content: bytes, key: VerifierKey, checkpoint: Checkpoint, now_s: int) -> Answer:
    try:
        lines = parse_signature_lines(content)
    except NoteError:
        return Refusal("Its answer has no lines of signatures. Check that url is its submission prefix.")
    found = next((each for each in lines if (each.name, each.key_id) == (key.name, key.key_id)), None)
    if found is None:
        return Refusal("Its answer has no signature of its vkey. Ask its operator for its verifier key, and compare.")
    try:
        at_s = key.verify(checkpoint, found.signature)
    except LogProofError:
        return Refusal(
            "Its signature is not of the checkpoint that m8 sent, or not by its vkey. Ask its operator for its "
            "verifier key, and compare. If they are equal, do not rely on it."
        )
    assert at_s is not None, "the settings take no key whose signatures have no time"
    if not now_s - MOST_BEHIND_S <= at_s <= now_s + MOST_AHEAD_S:
        ahead = "ahead of" if at_s > now_s else "behind"
        return Refusal(
            f"Its clock is {abs(at_s - now_s)} s {ahead} the clock of m8. Correct the one that is wrong: m8 keeps no "
            "cosignature with such a time."
        )
    return Cosigned(Cosignature(str(key), found.line.removesuffix("\n"), at_s))

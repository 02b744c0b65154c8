"""Whether two checkpoints of one log belong to one tree, though a proof from one to the other cannot be asked for.

m8 proves that its newest tree continues one of a given size. Two trees that the same newest tree continues are
beginnings of it, so the larger of them continues the smaller.
"""

from __future__ import annotations

from monoskope.api.gateway.v1 import log_pb2
from monoskope.client.queries import Queries
from monoskope.errors import AwayError, LogMismatchError, NotReachedError, UnavailableError
from monoskope.protocol.tlog.checkpoint import Checkpoint
from monoskope.protocol.tlog.errors import LogProofError, NoteError
from monoskope.protocol.tlog.merkle import verify_consistency
from monoskope.protocol.tlog.policy import Believed, Policy

_TRIES = 5
"""The log can grow between two answers, and hardly does so five times."""
_ASK = "Keep both notes as evidence, and ask your administrator and your auditor, by another way than m8."


async def check_one_log(queries: Queries, policy: Policy, mine: Believed, other: Believed) -> None:
    """Return if `mine` and `other` are of one log.

    Args:
        queries: Where to ask.
        policy: The keys of the log, by which m8's answers are believed.
        mine: What this client keeps.
        other: What somebody else was shown.

    Raises:
        LogMismatchError: they are not, or m8 does not show that they are; with both notes.
        UnavailableError: m8 does not answer.
    """
    if mine.checkpoint.size == other.checkpoint.size:
        if mine.checkpoint != other.checkpoint:
            raise mismatch(
                f"the log {mine.checkpoint.origin} has two different trees of {mine.checkpoint.size} entries, both"
                " signed by it: it shows different logs to different people",
                mine,
                other,
            )
        return
    for _ in range(_TRIES):
        shown = [await _shown(queries, policy, each, (mine, other)) for each in (mine, other)]
        if shown[0] == shown[1]:
            return
    raise UnavailableError("the log grew each time that m8 was asked about it.", fix="Do it again.")


async def _shown(queries: Queries, policy: Policy, known: Believed, both: tuple[Believed, Believed]) -> Checkpoint:
    """Return the newest checkpoint that m8 shows, which continues `known`. Raises `LogMismatchError`."""
    size = known.checkpoint.size
    try:
        answer = await queries.checkpoint(size)
    except (AwayError, NotReachedError):
        raise
    except UnavailableError as error:
        raise mismatch(
            f"m8 shows nothing that continues the {size} entries of a note that its log signed ({error.message})", *both
        ) from None
    try:
        newest = policy.believe(answer.newest.note)
        _check_continues(known.checkpoint, newest.checkpoint, answer.newest)
    except (NoteError, LogProofError) as error:
        raise mismatch(
            f"what m8 shows does not continue the {size} entries of a note that its log signed: {error.message}", *both
        ) from None
    return newest.checkpoint


def _check_continues(known: Checkpoint, newest: Checkpoint, shown: log_pb2.ProvenCheckpoint) -> None:
    old, new = (known, newest) if known.size <= newest.size else (newest, known)
    verify_consistency(old.size, old.root, new.size, new.root, tuple(shown.consistency))


def mismatch(what: str, *believed: Believed) -> LogMismatchError:
    """Return the error with all notes, the client's own first."""
    error = LogMismatchError(f"{what.rstrip('.')}.", fix=_ASK)
    error.notes = tuple(bytes(each.note).decode() for each in believed)
    return error

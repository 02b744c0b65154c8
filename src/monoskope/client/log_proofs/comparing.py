"""Whether two checkpoints of one log belong to one tree, though a proof from one to the other cannot be asked for.

m8 proves that its newest tree continues one of a given size. Two trees that the same newest tree continues are
beginnings of it, so the larger of them continues the smaller.
"""

from __future__ import annotations

from monoskope.client.known_logs import LogPin
from monoskope.client.log.judging import ASK, Verdict
from monoskope.client.log_watch import LogWatch
from monoskope.client.queries import Queries
from monoskope.errors import AwayError, LogMismatchError, NotReachedError, UnavailableError

_TRIES = 5
"""The log can grow between two answers, and hardly does so five times."""


async def check_one_log(queries: Queries, watch: LogWatch, mine: LogPin, other: LogPin) -> None:
    """Return if `mine` and `other` are of one log.

    Args:
        queries: Where to ask.
        watch: Judges m8's answers.
        mine: What this client keeps.
        other: What another person was shown, believed by the keys of `mine`.

    Raises:
        LogMismatchError: they are not, or m8 does not show that they are; with both notes.
        UnavailableError: m8 does not answer.
    """
    if mine.size == other.size:
        if mine.checkpoint != other.checkpoint:
            raise _two_trees(mine.size, mine, other)
        return
    for _ in range(_TRIES):
        first, second = [await _shown(queries, watch, each, (mine, other)) for each in (mine, other)]
        if first.trees == second.trees:
            return
        if first.newest.checkpoint.size == second.newest.checkpoint.size:
            raise _two_trees(first.newest.checkpoint.size, mine, other)
    raise UnavailableError("the log grew each time that m8 was asked about it.", fix="Do it again.")


async def _shown(queries: Queries, watch: LogWatch, known: LogPin, both: tuple[LogPin, LogPin]) -> Verdict:
    """Return what m8 shows now, judged as if `known` were pinned: so its newest tree is no smaller, and continues it.

    Raises:
        LogMismatchError: it shows nothing of that kind; with both notes.
    """
    try:
        return watch.judged(await queries.checkpoint(known.size), known)
    except (AwayError, NotReachedError):
        raise
    except (UnavailableError, LogMismatchError) as error:
        raise _mismatch(
            f"what m8 shows does not continue the {known.size} entries of a note that its log signed: {error.message}",
            *both,
        ) from None


def _two_trees(size: int, *notes: LogPin) -> LogMismatchError:
    return _mismatch(
        f"the log {notes[0].origin} has two different trees of {size} entries, both signed by it: it shows different"
        " logs to different people",
        *notes,
    )


def _mismatch(what: str, *notes: LogPin) -> LogMismatchError:
    """Return the error with all notes, the client's own first."""
    error = LogMismatchError(f"{what.rstrip('.')}.", fix=ASK)
    error.notes = tuple(each.note.decode() for each in notes)
    return error

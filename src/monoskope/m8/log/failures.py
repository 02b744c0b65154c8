"""How an event log fails, whichever engine it has: what an append is refused for, and what does not hold."""

from __future__ import annotations

from monoskope.errors import AwayError, Code, ConflictError, Error, UnavailableError


class ExpectedVersionError(ConflictError):
    """The stream is not at the version that the append expected. Nothing was recorded.

    Attributes:
        stream: Name of the stream.
        expected: The version the caller had seen, 0 for none.
        actual: The version it is at, 0 if it has no event.
    """

    def __init__(self, stream: str, *, expected: int, actual: int) -> None:
        super().__init__(
            f"stream {stream} is at version {actual}, not at {expected}.", fix="Read it again and decide again."
        )
        self.stream = stream
        self.expected = expected
        self.actual = actual


class UnknownAppendError(UnavailableError):
    """The engine went away while it committed an append, and did not come back in time: it may be recorded, or not.

    A caller that can send the same again, and have it recorded once, does so. Others are told that it is not known.
    """

    code = Code.OUTCOME_UNKNOWN

    def __init__(self) -> None:
        super().__init__(
            "the event log went away while it recorded this: it may be recorded, or not.",
            fix="When m8 is ready again, ask it what is recorded before you repeat it.",
        )

    def sent_again(self) -> AwayError:
        """Return the error for what is recorded once however often it is sent."""
        return AwayError(self.message, fix="Send the same again: it is recorded once.")


class LogTamperedError(Error):
    """The log was changed after it was written, or damaged.

    Attributes:
        position: The first position that does not hold.
    """

    code = Code.IDENTITY_CHANGED

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(
            f"the event log does not hold at position {position}: {reason}.",
            fix="Stop writing, keep a copy of it as evidence, and restore a backup that verifies.",
        )
        self.position = position


def closed() -> AwayError:
    """Return what every method of a closed log raises."""
    return AwayError("the event log is closed.", fix="m8 is stopping: ask another replica, or start it.")


def check_limit(limit: int) -> None:
    """Raise `ValueError` for a page without room."""
    if limit < 1:
        raise ValueError("a limit is at least 1.")


def has_own_events() -> ConflictError:
    """Return the error of an import into a log that has events which no import brought."""
    return ConflictError(
        "the log has events of its own, and an import would mix two histories.",
        fix="Import into an empty log, in a new folder or another database, and keep this one.",
    )


def unfinished(place: object) -> ConflictError:
    """Return the error of a log of which only a part was imported: it would show an older state as if it were whole."""
    return ConflictError(
        f"the event log {place} is not whole: its import (m8 backup restore) did not finish.",
        fix="Run the same command again, and it goes on from there.",
    )


def rebuilding() -> ConflictError:
    """Return the error of a rebuild while another one runs."""
    return ConflictError(
        "another rebuild of the documents is running.",
        fix="Wait until it ends: it makes the same documents. If its process was killed, try again in 30 seconds.",
    )

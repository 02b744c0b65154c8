"""The life of one request, as a table to be held against docs/protocol.md, The walk. No I/O, no clock.

Rules:
- One stream a request. An event is appended only on the version that its author saw, so of several authors one wins.
- m8 records what users ask; a replica answers with a grant; from then on only the replica that gave the grant may
  open and write.
- WRITING begins with a STARTED receipt and can be ended by any replica of the store, for the issuer may be dead; that
  a secret was copied the issuer alone can know.
- m8 may end a request before WRITING, never after: it cannot know what happened upstream.
- ENDED is final.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from monoskope.errors import ConflictError


class State(Enum):
    """Where a request stands."""

    NEW = auto()
    """Nothing recorded yet."""
    REQUESTED = auto()
    """A key was asked for."""
    GRANTED = auto()
    """A replica offers a key."""
    UPLOADING = auto()
    """The sealed secret is recorded."""
    WRITING = auto()
    """The issuing replica is about to write, or has written."""
    ENDED = auto()
    """Over, one way or another."""


class Step(Enum):
    """What can happen to a request; the event's name, and its receipt's outcome where that matters."""

    KEY_REQUESTED = "SecretUploadKeyRequested"
    KEY_PROVIDED = "SecretUploadKeyProvided"
    UPLOAD_REQUESTED = "SecretUploadRequested"
    STARTED = "SecretUploadStarted"
    UPLOADED = "SecretUploaded (UPLOADED)"
    UNCHANGED = "SecretUploaded (UNCHANGED)"
    COMPARED = "SecretCompared"
    DELETED = "SecretDeleted"
    VERIFIED = "SecretVerified"
    DRIFT_DETECTED = "SecretDriftDetected"
    IMPORTED = "SecretImported"
    COPIED = "SecretCopied"
    FAILED = "SecretUploadFailed"


class Author(Enum):
    """Who records a step."""

    M8 = auto()
    """m8 itself, for a user or for a deadline."""
    REPLICA = auto()
    """Any replica of the store."""
    ISSUER = auto()
    """The replica whose grant it is."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of the table."""

    state: State
    step: Step
    author: Author
    next: State


TABLE: tuple[Transition, ...] = (
    Transition(State.NEW, Step.KEY_REQUESTED, Author.M8, State.REQUESTED),
    Transition(State.REQUESTED, Step.KEY_PROVIDED, Author.REPLICA, State.GRANTED),
    Transition(State.GRANTED, Step.UPLOAD_REQUESTED, Author.M8, State.UPLOADING),
    Transition(State.UPLOADING, Step.STARTED, Author.ISSUER, State.WRITING),
    Transition(State.UPLOADING, Step.UNCHANGED, Author.ISSUER, State.ENDED),
    Transition(State.UPLOADING, Step.COMPARED, Author.ISSUER, State.ENDED),
    Transition(State.UPLOADING, Step.VERIFIED, Author.ISSUER, State.ENDED),
    Transition(State.UPLOADING, Step.DRIFT_DETECTED, Author.ISSUER, State.ENDED),
    Transition(State.UPLOADING, Step.IMPORTED, Author.ISSUER, State.ENDED),
    Transition(State.WRITING, Step.UPLOADED, Author.REPLICA, State.ENDED),
    Transition(State.WRITING, Step.DELETED, Author.REPLICA, State.ENDED),
    Transition(State.WRITING, Step.COPIED, Author.ISSUER, State.ENDED),
    Transition(State.REQUESTED, Step.FAILED, Author.REPLICA, State.ENDED),
    Transition(State.GRANTED, Step.FAILED, Author.REPLICA, State.ENDED),
    Transition(State.UPLOADING, Step.FAILED, Author.REPLICA, State.ENDED),
    Transition(State.WRITING, Step.FAILED, Author.REPLICA, State.ENDED),
    Transition(State.REQUESTED, Step.FAILED, Author.M8, State.ENDED),
    Transition(State.GRANTED, Step.FAILED, Author.M8, State.ENDED),
    Transition(State.UPLOADING, Step.FAILED, Author.M8, State.ENDED),
)


class WrongStepError(ConflictError):
    """The step does not follow from the state, or is not its author's to record."""

    def __init__(self, state: State, step: Step, author: Author) -> None:
        super().__init__(f"{step.value} by {author.name} does not follow {state.name}.", fix="Read the stream again.")


def advance(state: State, step: Step, author: Author) -> State:
    """Return the state after `step` by `author` (an issuer is also a replica).

    Raises:
        WrongStepError: the table has no such row.
    """
    authors = (author, Author.REPLICA) if author is Author.ISSUER else (author,)
    for row in TABLE:
        if row.state is state and row.step is step and row.author in authors:
            return row.next
    raise WrongStepError(state, step, author)

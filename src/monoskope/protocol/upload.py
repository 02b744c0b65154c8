"""Where a request can stand, and who records its events. The table of its events is `monoskope.protocol.events`."""

from __future__ import annotations

from enum import Enum, auto

from monoskope.errors import ConflictError


class State(Enum):
    """Where a request stands."""

    __hash__ = object.__hash__  # Enum's own is Python code, and each event of a request is looked up by its state

    NEW = auto()
    """Nothing is recorded yet."""
    REQUESTED = auto()
    """A key was asked for."""
    GRANTED = auto()
    """A replica grants a key."""
    UPLOADING = auto()
    """The sealed secret is recorded."""
    WRITING = auto()
    """The issuing replica is about to write, or has written."""
    ENDED = auto()
    """Over, one way or another."""


class Author(Enum):
    """Who records an event."""

    M8 = auto()
    """m8 itself, for a user or for a deadline."""
    REPLICA = auto()
    """Any replica of the store."""
    ISSUER = auto()
    """The replica whose grant it is. It is a replica, too."""


class WrongStepError(ConflictError):
    """An event does not follow from the state, or its author may not record it."""

    def __init__(self, state: State, event: str) -> None:
        super().__init__(f"{event} does not follow {state.name}.", fix="Read the stream again.")

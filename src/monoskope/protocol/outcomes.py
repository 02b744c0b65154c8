"""Where a request can stand, how it can end, and what the receipt of each outcome must hold.

The detail of a failure is one fixed sentence of a reactor or its driver that says more than the reason. It is text for
people and nothing follows from it. It never holds an engine's own text or anything of a value: the reactor sends what
is on its list of sentences alone (`monoskope.reactor.guarded_driver`).

The table of a request's events is `monoskope.protocol.events`. Which outcomes answer which purpose stands in
`monoskope.protocol.purposes`.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto
from typing import Protocol

from google.protobuf.descriptor import EnumDescriptor

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import ConflictError
from monoskope.protocol.purposes import PURPOSES


class Kind(Protocol):
    """A generated enum, such as `upload_pb2.Reason`."""

    DESCRIPTOR: EnumDescriptor


def spelled(kind: Kind, value: int) -> str:
    """Return the name of `value` without its enum's own, "UNSPECIFIED" for 0, the number for one not known here."""
    named = kind.DESCRIPTOR.values_by_number
    if value not in named:
        return str(value)
    return str(named[value].name.removeprefix(named[0].name.removesuffix("UNSPECIFIED")))


def one_of(kind: Kind, values: Iterable[int]) -> str:
    """Return the names of `values` in a sentence: "A", "A or B", "A, B or C"."""
    names = [spelled(kind, value) for value in values]
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


MAX_LENGTH = 200


def is_detail(text: str) -> bool:
    """Whether `text` can be a detail: at most 200 printable ASCII characters; "" is none."""
    return len(text) <= MAX_LENGTH and all(" " <= character <= "~" for character in text)


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


DESTINATION_OUTCOMES = frozenset({upload_pb2.OUTCOME_UPLOADED, upload_pb2.OUTCOME_UNCHANGED})
"""What the destination's receipt says after a copy."""

ENDS = frozenset({upload_pb2.OUTCOME_FAILED}).union(*(rules.successes for rules in PURPOSES.values()))
"""Every outcome that ends a request: STARTED does not."""

RESTORED = frozenset({upload_pb2.OUTCOME_UNDELETED, upload_pb2.OUTCOME_ROLLED_BACK})
"""Their receipts name the version whose content is there again."""

WRITTEN = RESTORED | {upload_pb2.OUTCOME_UPLOADED, upload_pb2.OUTCOME_DELETED}
"""These prove that a write which STARTED announced has happened."""

OF_WRITES = frozenset({upload_pb2.OUTCOME_STARTED}).union(
    *(rules.successes for rules in PURPOSES.values() if rules.writes)
)
"""Announcement and successes of what writes: their receipts say by which approvals, or that there were none."""

REPLACING = (WRITTEN | {upload_pb2.OUTCOME_STARTED}) - {upload_pb2.OUTCOME_UNDELETED}
"""Their receipts name the version that is replaced."""

VERIFIED = frozenset({upload_pb2.OUTCOME_IN_SYNC, upload_pb2.OUTCOME_DRIFTED, upload_pb2.OUTCOME_GONE})
"""Their receipts say whether an earlier receipt is still true."""

TELLING = DESTINATION_OUTCOMES | RESTORED | {upload_pb2.OUTCOME_IMPORTED, upload_pb2.OUTCOME_DELETED}
"""Their receipts tell what is at the request's own place from then on."""

NEEDS_FINGERPRINT = frozenset({upload_pb2.OUTCOME_UNCHANGED, upload_pb2.OUTCOME_IMPORTED, upload_pb2.OUTCOME_COPIED})
MAY_HAVE_FINGERPRINT = NEEDS_FINGERPRINT | RESTORED | {upload_pb2.OUTCOME_UPLOADED}

NEEDS_VERSION = MAY_HAVE_FINGERPRINT | {upload_pb2.OUTCOME_EQUAL, upload_pb2.OUTCOME_DRIFTED}
"""Something is upstream."""

WITHOUT_VERSION = frozenset({upload_pb2.OUTCOME_DELETED, upload_pb2.OUTCOME_GONE})
"""Nothing is upstream."""

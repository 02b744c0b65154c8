"""How the signing goes, as the process that signs tells it to the others of its log, in the note of a heartbeat."""

from __future__ import annotations

import msgspec

from monoskope.m8.log.event_log import EventLog

KEY = "witnessed-log"
"""The key of the heartbeat."""

TOLD_MS = 60_000
"""It is told anew at least so often, in milliseconds."""

STALE_MS = 3 * TOLD_MS
"""What was told longer ago is of a process that signs no more."""


class WitnessNote(msgspec.Struct, frozen=True):
    """What is known of one witness."""

    vkey: str
    trouble: str = ""


class State(msgspec.Struct, frozen=True):
    """How the signing goes. Unknown fields are ignored.

    Attributes:
        trouble: Why nothing is signed, in one sentence, "" if all is well.
        witnesses: Of each witness that is asked, what is wrong with it.
        no_quorum_since_ms: Since when the newest checkpoint lacks a quorum, milliseconds since 1970; 0 if it does not.
        at_ms: When this was told, milliseconds since 1970.
    """

    trouble: str = ""
    witnesses: tuple[WitnessNote, ...] = ()
    no_quorum_since_ms: int = 0
    at_ms: int = 0

    def says_as(self, other: State | None) -> bool:
        """Whether it says the same, whenever it was told."""
        return other is not None and msgspec.structs.replace(self, at_ms=other.at_ms) == other


async def told(log: EventLog) -> State | None:
    """Return what was told last, None if nothing was, or nothing that this m8 understands.

    Raises:
        UnavailableError: the log fails.
    """
    content = (await log.beat_notes()).get(KEY)
    if content is None:
        return None
    try:
        return msgspec.json.decode(content, type=State)
    except msgspec.DecodeError:
        return None


async def tell(log: EventLog, state: State) -> None:
    """Tell it. Raises `UnavailableError`."""
    await log.beat(KEY, state.at_ms, msgspec.json.encode(state))

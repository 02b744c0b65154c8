"""What an imported record must be: the next of its chain, in its one accepted form, for every engine. Pure.

Source: docs/adr/0006-log-format.md, docs/adr/0035-backups.md.
"""

from __future__ import annotations

from monoskope.errors import ConflictError
from monoskope.m8.log import record
from monoskope.m8.log.event_log import GENESIS_HASH, LogTamperedError, RecordedEvent


class Following:
    """Follows a chain of records from some position on. Its memory does not grow with the number of records.

    It does not check versions: an engine compares each with its stream, which it has at hand.

    Args:
        position: The last position that is there, 0 for none.
        last_hash: Its hash, `GENESIS_HASH` for none.
    """

    def __init__(self, position: int, last_hash: bytes) -> None:
        self.position = position
        self.hash = last_hash

    def take(self, body: bytes) -> RecordedEvent:
        """Return the next record as an event.

        Raises:
            LogTamperedError: it does not follow the one before it, or has another form.
        """
        position = self.position + 1
        event = record.parse_strictly(position, body)
        if event.position != position:
            raise LogTamperedError(position, "the record is not the one that belongs here")
        if event.previous_hash != self.hash:
            raise LogTamperedError(position, "the record does not name the hash of the one before it")
        self.position, self.hash = position, event.hash
        return event


def genesis() -> Following:
    """Return what follows a chain from its first record on."""
    return Following(0, GENESIS_HASH)


def has_own_events() -> ConflictError:
    """Return the error of an import into a log that has events which no import brought."""
    return ConflictError(
        "the log has events of its own, and an import would mix two histories.",
        fix="Import into an empty log, in a new folder or another database, and keep this one.",
    )

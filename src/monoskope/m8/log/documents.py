"""What stands in the log beside its events: documents of read models, and cursors of those who read the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from monoskope.value import Value


@dataclass(frozen=True, slots=True)
class Columns:
    """What `EventLog.find` finds a document by, beside its key.

    Attributes:
        subject: The user who put the secret last.
        expires_on: The day of expiry, YYYY-MM-DD, "" for none.
        deleted: Whether the newest receipt is of a deletion.
        drifted: Whether it was replaced upstream by something that no receipt tells of.
        out_of_sync: Whether the last verification found another value, or none.
        labels: Each as `name=value`.
    """

    subject: str = ""
    expires_on: str = ""
    deleted: bool = False
    drifted: bool = False
    out_of_sync: bool = False
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Where:
    """Which documents `EventLog.find` returns: those that meet every condition that is given.

    Attributes:
        deleted: Whether they are deleted; exactly one of the two kinds is returned.
        subject: Their subject, "" for any.
        expiring_before: They expire, and before this day (YYYY-MM-DD), "" for any.
        drifted: Only those that drifted.
        out_of_sync: Only those that are out of sync.
        labels: They have all of these, each `name=value`.
    """

    deleted: bool = False
    subject: str = ""
    expiring_before: str = ""
    drifted: bool = False
    out_of_sync: bool = False
    labels: tuple[str, ...] = ()

    def takes(self, columns: Columns) -> bool:
        """Whether a document with these columns meets every condition."""
        return (
            columns.deleted == self.deleted
            and self.subject in ("", columns.subject)
            and (not self.expiring_before or "" < columns.expires_on < self.expiring_before)
            and (columns.drifted or not self.drifted)
            and (columns.out_of_sync or not self.out_of_sync)
            and set(self.labels) <= set(columns.labels)
        )


class Put(Value, frozen=True):
    """Write a read-model document: `body` under `key` in `collection`, whatever was there.

    With `columns`, `EventLog.find` finds it. A document that has columns is written with columns again, or deleted.
    """

    collection: str
    key: str
    body: bytes
    columns: Columns | None = None


class Delete(Value, frozen=True):
    """Remove a read-model document, if it is there."""

    collection: str
    key: str


Change: TypeAlias = Put | Delete

Which: TypeAlias = tuple[str, str]
"""The collection and the key of a document."""

Lookup: TypeAlias = Callable[[str, str], bytes | None]
"""(collection, key) -> body or None, with every earlier change of the same transaction in it."""


MAX_NAME = 128
"""Bytes in the name of a cursor at most."""


class Cursor(Value, frozen=True):
    """The last event that a reader has dealt with.

    Attributes:
        position: Its place in the log, 0 before the first one.
        hash: Of its record, `GENESIS_HASH` before the first one.
    """

    position: int
    hash: bytes


def check_cursor(name: str, now: Cursor) -> None:
    """Raise `ValueError` unless a cursor may have that name and stand there."""
    if not 1 <= len(name.encode()) <= MAX_NAME or "\0" in name:
        raise ValueError(f"the name of a cursor is 1 to {MAX_NAME} bytes of UTF-8 without NUL.")
    if now.position < 0 or len(now.hash) != 32:
        raise ValueError("a cursor stands at a position, and has a hash of 32 bytes.")

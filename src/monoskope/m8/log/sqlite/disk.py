"""Room on the disk: a reserve for the day on which it is full, and erasing sealed bytes, which gives space back.

To erase something SQLite must write: the erased pages go into the write-ahead log first, overwritten with zeros
(`secure_delete`). So a file beside the log takes some space. `m8 events erase-sealed` frees it before it begins;
`m8 serve` makes it again when there is room. Erasing works in pieces: after each of them the write-ahead log is copied
into the database, and cut.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections import deque
from pathlib import Path

from monoskope.errors import UsageError
from monoskope.m8.log.sqlite.file import BUSY_MS
from monoskope.settings import write_private

SIZE = 8_388_608
"""Bytes of the reserve: a write-ahead log of the usual size and one piece of erasing fit twice."""

ROOM = 4 * SIZE
"""So many bytes must be free before the reserve is made: otherwise the log needs them itself."""


class Reserve:
    """The reserve of the log in the file `log`."""

    def __init__(self, log: Path) -> None:
        self._path = log.with_name(f"{log.name}-reserve")

    @property
    def is_made(self) -> bool:
        """Whether the reserve is there, and whole."""
        try:
            return self._path.stat().st_size == SIZE
        except OSError:
            return False

    @property
    def is_needed(self) -> bool:
        """Whether the disk has so little room that erasing may need the reserve, or its room is not known."""
        return not self._is_free(ROOM, otherwise=False)

    def has_room(self, size: int) -> bool:
        """Whether the disk has so many bytes left, as far as that is known. Blocks."""
        return self._is_free(size, otherwise=True)

    def _is_free(self, size: int, *, otherwise: bool) -> bool:
        try:
            found = os.statvfs(self._path.parent)
        except OSError:
            return otherwise
        return found.f_bavail * found.f_frsize >= size

    def make(self) -> bool:
        """Make the reserve if it is not there and the disk has room. Return whether it is there now. Blocks."""
        if self.is_made or self.is_needed:
            return self.is_made
        try:
            # Random bytes, because some file systems store zeros, or a hole, without taking space.
            write_private(self._path, os.urandom(SIZE), replace=True)
        except (OSError, UsageError):
            self.free()
        return self.is_made

    def free(self) -> None:
        """Give the space back, if that is possible."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)


PIECE = 1_048_576
"""About how many sealed bytes are erased in one transaction; one secret always is."""

_PAGES = 256
"""How many free pages are given back to the disk in one transaction: 1 MiB."""


def erase_some(connection: sqlite3.Connection, left: deque[bytes]) -> int:
    """Erase the first of the sealed bytes in `left`, take them out of it, and return how many rows there were."""
    erased = size = 0
    while left and size < PIECE:
        digest = left.popleft()
        row = connection.execute("SELECT length(body) FROM sealed WHERE sha256 = ?", (digest,)).fetchone()
        if row is not None:
            connection.execute("DELETE FROM sealed WHERE sha256 = ?", (digest,))
            size += int(row[0])
            erased += 1
    return erased


def shrink_some(connection: sqlite3.Connection) -> bool:
    """Give some free pages back to the disk, and return whether more are left.

    A log that an older m8 made cannot do that: its free pages stay in the file, and later appends use them.
    """
    before = _free_pages(connection)
    # Each step of this statement frees one page.
    connection.execute(f"PRAGMA incremental_vacuum({_PAGES})").fetchall()
    after = _free_pages(connection)
    return 0 < after < before


def cut_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Copy the write-ahead log, which still has the erased pages, into the database, and truncate it.

    Writers wait while this waits for readers, so it waits for a short time only. The next checkpoint does the rest.
    """
    connection.execute("PRAGMA busy_timeout = 1000")
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")


def free_bytes(connection: sqlite3.Connection) -> int:
    """Return how many bytes of the file its next writes can use."""
    return _free_pages(connection) * int(connection.execute("PRAGMA page_size").fetchone()[0])


def _free_pages(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA freelist_count").fetchone()[0])

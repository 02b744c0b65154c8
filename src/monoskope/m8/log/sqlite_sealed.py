"""Erasing sealed bytes from the database: in pieces, so that a disk with little room can take what is written for it.

Erased pages are overwritten with zeros (`secure_delete`), which takes as much room in the write-ahead log as they have.
So after each piece the write-ahead log is copied into the database, and cut.
"""

from __future__ import annotations

import sqlite3
from collections import deque

from monoskope.m8.log import sqlite_file

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
        connection.execute(f"PRAGMA busy_timeout = {sqlite_file.BUSY_MS}")


def free_bytes(connection: sqlite3.Connection) -> int:
    """Return how many bytes of the file its next writes can use."""
    return _free_pages(connection) * int(connection.execute("PRAGMA page_size").fetchone()[0])


def _free_pages(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA freelist_count").fetchone()[0])

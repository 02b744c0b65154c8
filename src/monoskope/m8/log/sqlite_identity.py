"""The id of a log in a SQLite file, in a table of its own. Files of an earlier m8 get one when they are next opened."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from monoskope.m8.log import identity, sqlite_file

_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR)


def log_id(path: Path) -> str:
    """Return the id of the log in an existing file, "" if it has none and the disk lets us write none. Blocks.

    A file that is no event log has none, and is not touched.

    Raises:
        UnavailableError: the file cannot be read.
    """
    try:
        with closing(sqlite_file.connect(path)) as connection:
            if connection.execute("PRAGMA application_id").fetchone()[0] != sqlite_file.APPLICATION_ID:
                return ""
            return _read(connection) or _give(connection)
    except sqlite3.DatabaseError as error:
        raise sqlite_file.explain(error, path) from None


def _read(connection: sqlite3.Connection) -> str:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'log_id'").fetchone():
        return ""
    row = connection.execute("SELECT id FROM log_id").fetchone()
    return str(row[0]) if row else ""


def _give(connection: sqlite3.Connection) -> str:
    """Give the log an id. Of several processes at once the first one does it."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS log_id (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL)"
        )
        connection.execute("INSERT OR IGNORE INTO log_id VALUES (1, ?)", (identity.new_id(),))
        connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in _FULL:
            raise
        # A full disk: queries and erasing must still work there.
        return ""
    return _read(connection)

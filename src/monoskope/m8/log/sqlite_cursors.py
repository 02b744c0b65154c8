"""Cursors in the database file: one row each."""

from __future__ import annotations

import sqlite3

from monoskope.m8.log.cursor import Cursor

TABLE = """CREATE TABLE cursors (
  name TEXT PRIMARY KEY NOT NULL, position INTEGER NOT NULL, hash BLOB NOT NULL
)"""


def find(connection: sqlite3.Connection, name: str) -> Cursor | None:
    """Return where the cursor stands, as `EventLog.cursor`."""
    row = connection.execute("SELECT position, hash FROM cursors WHERE name = ?", (name,)).fetchone()
    return None if row is None else Cursor(int(row[0]), bytes(row[1]))


def move(connection: sqlite3.Connection, name: str, was: Cursor | None, now: Cursor) -> bool:
    """Move the cursor, as `EventLog.move_cursor`. Called within a transaction that may write."""
    if find(connection, name) != was:
        return False
    connection.execute("INSERT OR REPLACE INTO cursors VALUES (?, ?, ?)", (name, now.position, now.hash))
    return True

"""Importing into the database."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence

from monoskope.m8.log import sqlite_file
from monoskope.m8.log.event_log import LogTamperedError
from monoskope.m8.log.imports import Following, has_own_events


def add(connection: sqlite3.Connection, records: Sequence[bytes], sealed: Sequence[bytes]) -> None:
    """Do what `EventLog.import_records` says, in one transaction."""
    position, last_hash = connection.execute("SELECT position, hash FROM head").fetchone()
    if not _is_importing(connection):
        if position:
            raise has_own_events()
        # The number is a part of the file's first page, so it changes with the records or not at all.
        connection.execute(f"PRAGMA application_id = {sqlite_file.IMPORTING_ID}")
    following = Following(position, last_hash)
    for body in records:
        event = following.take(body)
        query = "SELECT coalesce(max(version), 0) FROM events WHERE stream = ?"
        if event.version != connection.execute(query, (event.stream,)).fetchone()[0] + 1:
            raise LogTamperedError(event.position, "its stream misses a version")
        row = (event.position, event.stream, event.version, body, event.hash)
        connection.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?)", row)
    connection.execute("UPDATE head SET position = ?, hash = ?", (following.position, following.hash))
    for body in sealed:
        connection.execute("INSERT OR IGNORE INTO sealed VALUES (?, ?)", (hashlib.sha256(body).digest(), body))


def finish(connection: sqlite3.Connection, log_id: str) -> int:
    """Give the log the id `log_id`, "" for its own, mark the import as finished, and return the last position."""
    position = int(connection.execute("SELECT position FROM head").fetchone()[0])
    if position and not _is_importing(connection):
        raise has_own_events()
    if log_id:
        connection.execute("UPDATE log_id SET id = ?", (log_id,))
    connection.execute(f"PRAGMA application_id = {sqlite_file.APPLICATION_ID}")
    return position


def _is_importing(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("PRAGMA application_id").fetchone()[0] == sqlite_file.IMPORTING_ID)

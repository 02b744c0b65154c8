"""Records and sealed bytes in the database: reading, adding, importing and checking them."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from typing import TypeVar

from monoskope.m8.log import record
from monoskope.m8.log.event_log import LogTamperedError, RecordedEvent
from monoskope.m8.log.record import Following, has_own_events
from monoskope.m8.log.sqlite import file
from monoskope.m8.log.tree_rows import Row, Steps

T = TypeVar("T")


def named(values: Row) -> dict[str, object]:
    """Return values by their places, `$1`, `$2`, …, as SQLite takes them."""
    return {str(place): value for place, value in enumerate(values, start=1)}


def run_steps(connection: sqlite3.Connection, steps: Steps[T]) -> T:
    """Run statements within the transaction that is open, and return what they come to."""
    try:
        statement, values = next(steps)
        while True:
            statement, values = steps.send(connection.execute(statement, named(values)).fetchall())
    except StopIteration as done:
        result: T = done.value
        return result


def read_events(connection: sqlite3.Connection, query: str, values: tuple[str | int, ...]) -> list[RecordedEvent]:
    """Return the events that `query` finds, as position and record of each."""
    return [record.parse_again(position, row) for position, row in connection.execute(query, values)]


def add_event(connection: sqlite3.Connection, event: RecordedEvent) -> None:
    """Add a record. The head stays as it is."""
    row = (event.position, event.stream, event.version, event.record, event.hash)
    connection.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?)", row)


def add_sealed(connection: sqlite3.Connection, body: bytes) -> None:
    """Add sealed bytes, unless they are there."""
    connection.execute("INSERT OR IGNORE INTO sealed VALUES (?, ?)", (hashlib.sha256(body).digest(), body))


def import_records(connection: sqlite3.Connection, records: Sequence[bytes], sealed: Sequence[bytes]) -> None:
    """Do what `EventLog.import_records` says, in the transaction that is open."""
    position, last_hash = connection.execute("SELECT position, hash FROM head").fetchone()
    if not file.is_importing(connection):
        if position:
            raise has_own_events()
        # The number is a part of the file's first page, so it changes with the records or not at all.
        connection.execute(f"PRAGMA application_id = {file.IMPORTING_ID}")
    following = Following(position, last_hash)
    for body in records:
        event = following.take(body)
        query = "SELECT coalesce(max(version), 0) FROM events WHERE stream = ?"
        if event.version != connection.execute(query, (event.stream,)).fetchone()[0] + 1:
            raise LogTamperedError(event.position, "its stream misses a version")
        add_event(connection, event)
    connection.execute("UPDATE head SET position = ?, hash = ?", (following.position, following.hash))
    for body in sealed:
        add_sealed(connection, body)


def finish_import(connection: sqlite3.Connection, log_id: str) -> int:
    """Do what `EventLog.finish_import` says after the documents are made, in the transaction that is open."""
    position = int(connection.execute("SELECT position FROM head").fetchone()[0])
    if position and not file.is_importing(connection):
        raise has_own_events()
    if log_id:
        connection.execute("UPDATE log_id SET id = ?", (log_id,))
    connection.execute(f"PRAGMA application_id = {file.APPLICATION_ID}")
    return position


def last_position(connection: sqlite3.Connection) -> int:
    """Return the log's last position, 0 if it is empty."""
    return int(connection.execute("SELECT position FROM head").fetchone()[0])


def check_chain(connection: sqlite3.Connection) -> int:
    """Check the whole log in one snapshot, and return its last position. Raises `LogTamperedError`."""
    chain = record.Chain()
    connection.execute("BEGIN")
    try:
        for row in connection.execute("SELECT position, stream, version, hash, record FROM events ORDER BY position"):
            chain.follow(row[:4], row[4])
        chain.finish(*connection.execute("SELECT position, hash FROM head").fetchone())
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF != sqlite3.SQLITE_CORRUPT:
            raise
        raise LogTamperedError(chain.position + 1, "the database cannot be read there") from None
    finally:
        connection.execute("ROLLBACK")
    return chain.position

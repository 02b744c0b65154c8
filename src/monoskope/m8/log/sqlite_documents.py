"""The documents in the database: reading them, and writing what an event changes in them."""

from __future__ import annotations

import sqlite3
from typing import TypeAlias

from monoskope.m8.log.documents import Change, Columns
from monoskope.m8.log.event_log import Projector, Put, RecordedEvent
from monoskope.m8.log.sqlite_forms import CURRENT, Tables

# An update in place: INSERT OR REPLACE makes a new row, which changes each index and twice as many pages.
_PUT = """
INSERT INTO {} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (collection, key) DO UPDATE SET
  body = excluded.body, deleted = excluded.deleted, subject = excluded.subject, expires_on = excluded.expires_on,
  drifted = excluded.drifted, out_of_sync = excluded.out_of_sync, labels = excluded.labels
"""

# A label is printable text, so it has no line feed.
_BETWEEN = "\n"

_Labelled: TypeAlias = "tuple[int, str] | None"
"""Whether a document is deleted, and its labels; None if it has no labels, or if there is none."""


def get(connection: sqlite3.Connection, collection: str, key: str, *, tables: Tables = CURRENT) -> bytes | None:
    """Return the document under `key`, None if there is none."""
    return one(connection, f"SELECT body FROM {tables.documents} WHERE collection = ? AND key = ?", (collection, key))


def one(connection: sqlite3.Connection, query: str, values: tuple[str | bytes, ...]) -> bytes | None:
    """Return the bytes that `query` finds first, None if it finds nothing."""
    row = connection.execute(query, values).fetchone()
    return None if row is None else bytes(row[0])


def scan(
    connection: sqlite3.Connection, collection: str, *, prefix: str, after: str, limit: int
) -> list[tuple[str, bytes]]:
    """Return documents as `EventLog.scan` does."""
    query = (
        f"SELECT key, body FROM {CURRENT.documents} WHERE collection = ? AND key > ? AND key >= ? ORDER BY key LIMIT ?"
    )
    page = []
    for key, body in connection.execute(query, (collection, after, prefix, limit)):
        # Keys with the same prefix are adjacent, so the first one without it is the end.
        if not key.startswith(prefix):
            break
        page.append((key, body))
    return page


def project(
    connection: sqlite3.Connection, projector: Projector, event: RecordedEvent, *, tables: Tables = CURRENT
) -> None:
    """Write what `event` changes. Raises what `projector` raises; nothing is written then.

    Several projectors use the same documents. Each document is read once and written once.
    """
    known: dict[tuple[str, str], bytes | None] = {}
    labelled: dict[tuple[str, str], _Labelled] = {}
    changed: dict[tuple[str, str], Change] = {}

    def lookup(collection: str, key: str) -> bytes | None:
        which = (collection, key)
        if which not in known:
            known[which], labelled[which] = _stored(connection, tables, which)
        return known[which]

    for change in projector(event, lookup):
        which = (change.collection, change.key)
        changed[which] = change
        known[which] = change.body if isinstance(change, Put) else None
    for which, change in changed.items():
        if which not in labelled:
            _, labelled[which] = _stored(connection, tables, which)
        _write(connection, tables, which, labelled[which], change)


def _stored(connection: sqlite3.Connection, tables: Tables, which: tuple[str, str]) -> tuple[bytes | None, _Labelled]:
    """Return the document at `which` and its labels; None for what there is not."""
    query = f"SELECT body, deleted, labels FROM {tables.documents} WHERE collection = ? AND key = ?"
    row = connection.execute(query, which).fetchone()
    if row is None:
        return None, None
    return bytes(row[0]), (row[1], row[2]) if row[2] else None


def _write(
    connection: sqlite3.Connection, tables: Tables, which: tuple[str, str], row: _Labelled, change: Change
) -> None:
    if row is not None:
        delete = f"DELETE FROM {tables.labels} WHERE collection = ? AND deleted = ? AND label = ? AND key = ?"
        connection.executemany(delete, ((which[0], row[0], label, which[1]) for label in row[1].split(_BETWEEN)))
    if not isinstance(change, Put):
        connection.execute(f"DELETE FROM {tables.documents} WHERE collection = ? AND key = ?", which)
    else:
        _put(connection, tables, change, change.columns)


def _put(connection: sqlite3.Connection, tables: Tables, put: Put, columns: Columns | None) -> None:
    if columns is None:
        row: tuple[int | str | None, ...] = (None,) * 6
    else:
        labels = sorted(set(columns.labels))
        insert = f"INSERT INTO {tables.labels} VALUES (?, ?, ?, ?)"
        connection.executemany(insert, ((put.collection, columns.deleted, label, put.key) for label in labels))
        row = (
            columns.deleted,
            columns.subject,
            columns.expires_on or None,
            columns.drifted,
            columns.out_of_sync,
            _BETWEEN.join(labels),
        )
    connection.execute(_PUT.format(tables.documents), (put.collection, put.key, put.body, *row))

"""The documents in the database: their tables, reading them, and writing what an event changes in them.

A form is what the documents mean, and the tables that they stand in. Its number is the database's `user_version`. The
tables of each form have names of their own: an m8 that does not know the form finds no table, so it can neither show
documents that are not kept up to date, nor write such (docs/adr/0030-slim-documents.md).
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TypeAlias

from monoskope.m8.log.documents import Change, Columns
from monoskope.m8.log.event_log import Projector, Put, RecordedEvent

FORM = 1
"""The form that this m8 writes and reads. Every form is made from the events alone."""

DOCUMENTS = f"documents_{FORM}"
LABELS = f"labels_{FORM}"

NEXT = "next_"
"""Begins the names of tables that are being built."""
OUTDATED = "outdated_"
"""Begins the names of tables that were exchanged and can be dropped."""

# `deleted` is NULL in a document without columns, so `find` never returns it; `expires_on` is NULL for no day. Only
# such rows are in an index as can be found by it. The primary key ends each index, so each has its entries in the order
# of keys.
_TABLES = """
CREATE TABLE {documents} (
  collection TEXT NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL,
  deleted INTEGER, subject TEXT, expires_on TEXT, drifted INTEGER, out_of_sync INTEGER, labels TEXT,
  PRIMARY KEY (collection, key)
) WITHOUT ROWID;
CREATE INDEX {tag}_found ON {documents} (collection, deleted) WHERE deleted IS NOT NULL;
CREATE INDEX {tag}_subject ON {documents} (collection, deleted, subject) WHERE deleted IS NOT NULL;
CREATE INDEX {tag}_expires_on ON {documents} (collection, deleted, expires_on) WHERE expires_on IS NOT NULL;
CREATE INDEX {tag}_drifted ON {documents} (collection, deleted) WHERE drifted = 1;
CREATE INDEX {tag}_out_of_sync ON {documents} (collection, deleted) WHERE out_of_sync = 1;
CREATE TABLE {labels} (
  collection TEXT NOT NULL, deleted INTEGER NOT NULL, label TEXT NOT NULL, key TEXT NOT NULL,
  PRIMARY KEY (collection, deleted, label, key)
) WITHOUT ROWID
"""

BUILDS = """
CREATE TABLE builds (
  id INTEGER PRIMARY KEY CHECK (id = 1), holder TEXT NOT NULL, position INTEGER NOT NULL
)
"""
"""The one build of new tables that is under way, or was when its process ended: up to which position it has come."""

_DROP_ROWS = 24


@dataclass(frozen=True, slots=True)
class Tables:
    """The names of the two tables that documents stand in."""

    documents: str = DOCUMENTS
    labels: str = LABELS


CURRENT = Tables()
BUILT = Tables(NEXT + DOCUMENTS, NEXT + LABELS)


def create(connection: sqlite3.Connection, tables: Tables, tag: str) -> None:
    """Create empty tables; `tag` begins the names of their indexes, which stay when the tables are renamed."""
    statements = _TABLES.format(documents=tables.documents, labels=tables.labels, tag=tag)
    for statement in statements.strip().split(";\n"):
        connection.execute(statement)


def indexes(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the names of the indexes of the current documents, by what they are for, for example `subject`."""
    query = "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL"
    return {name.partition("_")[2]: name for (name,) in connection.execute(query, (DOCUMENTS,))}


def exchange(connection: sqlite3.Connection, tag: str) -> None:
    """Put the tables that were built in the place of the current ones. Touches no row of theirs."""
    for table in (DOCUMENTS, LABELS):
        connection.execute(f"ALTER TABLE {table} RENAME TO {OUTDATED}{tag}_{table}")
        connection.execute(f"ALTER TABLE {NEXT}{table} RENAME TO {table}")
    connection.execute("DELETE FROM builds")


def leftovers(connection: sqlite3.Connection, *, with_built: bool) -> list[str]:
    """Return the tables that are not needed any more; `with_built`, those of an unfinished build among them."""
    query = "SELECT name FROM sqlite_schema WHERE type = 'table' AND (substr(name, 1, ?) = ? OR substr(name, 1, ?) = ?)"
    prefixes = (OUTDATED, NEXT if with_built else OUTDATED)
    values = tuple(part for prefix in prefixes for part in (len(prefix), prefix))
    return [name for (name,) in connection.execute(query, values)]


def drop_some(connection: sqlite3.Connection, table: str) -> bool:
    """Drop some rows of a leftover table, or the table once it is empty, and return whether it is gone.

    To drop a table takes as long as it is large, and appends would wait for it.
    """
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[5]]
    key = ", ".join(columns)
    connection.execute("PRAGMA secure_delete = OFF")  # documents hold nothing that must be overwritten
    try:
        rows = f"SELECT {key} FROM {table} LIMIT {_DROP_ROWS}"
        if connection.execute(f"DELETE FROM {table} WHERE ({key}) IN ({rows})").rowcount:
            return False
        connection.execute(f"DROP TABLE {table}")
    finally:
        connection.execute("PRAGMA secure_delete = ON")
    return True


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


def get(connection: sqlite3.Connection, collection: str, key: str) -> bytes | None:
    """Return the document under `key`, None if there is none."""
    return _stored(connection, CURRENT, (collection, key))[0]


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

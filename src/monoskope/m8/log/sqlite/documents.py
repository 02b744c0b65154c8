"""The documents in the database: their tables, reading them, and writing what an event changes in them.

A form is what the documents mean, and the tables that they stand in. Its number is the database's `user_version`. The
tables of each form have names of their own: an m8 that does not know the form finds no table, so it can neither show
documents that are not kept up to date, nor write such (docs/adr/0030-slim-documents.md).
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from monoskope.m8.log.documents import Change, Put, Which
from monoskope.m8.log.event_log import Projector, RecordedEvent
from monoskope.m8.log.group import Projection

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
    connection.execute("UPDATE head SET fence = fence + 1")


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
INSERT INTO {} VALUES {} ON CONFLICT (collection, key) DO UPDATE SET
  body = excluded.body, deleted = excluded.deleted, subject = excluded.subject, expires_on = excluded.expires_on,
  drifted = excluded.drifted, out_of_sync = excluded.out_of_sync, labels = excluded.labels
"""

# Found by the key, each for itself, whatever the planner thinks of the sizes.
_ASKED = """
WITH asked(one, name) AS (VALUES {some})
SELECT {columns} FROM asked CROSS JOIN {documents} ON collection = one AND key = name
"""

# A label is printable text, so it has no line feed.
_BETWEEN = "\n"

AT_ONCE = 8
"""Rows of one statement at most: SQLite prepares a statement anew for each number of them that it has not seen."""

_Value: TypeAlias = "int | str | bytes | None"


@functools.cache
def _places(width: int, rows: int) -> str:
    return ", ".join([f"({', '.join('?' * width)})"] * rows)


def chunks(rows: Sequence[tuple[_Value, ...]]) -> Iterator[tuple[str, Sequence[_Value]]]:
    """Yield, for some `rows` at a time, their places in a statement, `(?, ?), (?, ?)`, and their values."""
    if len(rows) == 1:
        yield _places(len(rows[0]), 1), rows[0]
        return
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        yield _places(len(some[0]), len(some)), [value for row in some for value in row]


def get(connection: sqlite3.Connection, collection: str, key: str) -> bytes | None:
    """Return the document under `key`, None if there is none."""
    query = f"SELECT body FROM {CURRENT.documents} WHERE collection = ? AND key = ?"
    row = connection.execute(query, (collection, key)).fetchone()
    return None if row is None else bytes(row[0])


def read_many(
    connection: sqlite3.Connection, which: Iterable[Which], *, tables: Tables = CURRENT
) -> dict[Which, bytes | None]:
    """Return the body of each document asked for, None where there is none."""
    found: dict[Which, bytes | None] = dict.fromkeys(which)
    for some, values in chunks(list(found)):
        query = _ASKED.format(columns="collection, key, body", some=some, documents=tables.documents)
        found.update(((collection, key), body) for collection, key, body in connection.execute(query, values))
    return found


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
    connection: sqlite3.Connection, projector: Projector, events: Sequence[RecordedEvent], *, tables: Tables = CURRENT
) -> None:
    """Write what `events` change. Raises what `projector` raises; nothing is written then."""
    known: dict[Which, bytes | None] = {}
    projection = Projection(projector, known)
    while True:
        projection.begin()
        try:
            projection.project(0, events)
        except Exception:
            if not projection.missed:
                raise
        if not projection.missed:
            break
        known.update(read_many(connection, projection.missed, tables=tables))
    write(connection, projection.changes.values(), tables=tables)


def write(connection: sqlite3.Connection, changes: Iterable[Change], *, tables: Tables = CURRENT) -> None:
    """Write `changes`, of which no two are of one document."""
    rows: list[tuple[_Value, ...]] = []
    dropped: list[Which] = []
    listed: list[Which] = []
    labels: list[tuple[_Value, ...]] = []
    for change in changes:
        which = (change.collection, change.key)
        if not isinstance(change, Put):
            dropped.append(which)
            listed.append(which)
        elif (columns := change.columns) is None:
            rows.append((*which, change.body, None, None, None, None, None, None))
        else:
            listed.append(which)
            of_it = sorted(set(columns.labels))
            labels += [(change.collection, columns.deleted, label, change.key) for label in of_it]
            found_by = (columns.deleted, columns.subject, columns.expires_on or None, columns.drifted)
            rows.append((*which, change.body, *found_by, columns.out_of_sync, _BETWEEN.join(of_it)))
    if listed:
        _drop_labels(connection, tables, listed)
    for some, values in chunks(rows):
        connection.execute(_PUT.format(tables.documents, some), values)
    for some, values in chunks(dropped):
        connection.execute(f"DELETE FROM {tables.documents} WHERE (collection, key) IN (VALUES {some})", values)
    for some, values in chunks(labels):
        connection.execute(f"INSERT INTO {tables.labels} VALUES {some}", values)


def _drop_labels(connection: sqlite3.Connection, tables: Tables, which: Sequence[Which]) -> None:
    """Drop the labels of documents that are about to be written or dropped."""
    gone: list[tuple[_Value, ...]] = []
    for some, values in chunks(which):
        query = _ASKED.format(columns="collection, deleted, key, labels", some=some, documents=tables.documents)
        rows = connection.execute(f"{query} AND labels <> ''", values)
        gone += [
            (collection, deleted, label, key)
            for collection, deleted, key, labels in rows
            for label in labels.split(_BETWEEN)
        ]
    for some, values in chunks(gone):
        delete = f"DELETE FROM {tables.labels} WHERE (collection, deleted, label, key) IN (VALUES {some})"
        connection.execute(delete, values)

"""The tables that hold the documents: which form they have, and how they are made, exchanged and dropped.

A form is what the documents mean, and the tables that they stand in. Its number is the database's `user_version`. The
tables of each form have names of their own: an m8 that does not know the form finds no table, so it can neither show
documents that nobody keeps up to date, nor write such (docs/adr/0030-slim-documents.md).
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

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
    """Return the tables that nobody needs any more; `with_built`, those of an unfinished build among them."""
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

"""The documents in the database: reading them, and writing what an event changes in them."""

from __future__ import annotations

import sqlite3

from monoskope.m8.log.event_log import Projector, Put, RecordedEvent

_PUT = "INSERT INTO documents VALUES (?, ?, ?) ON CONFLICT (collection, key) DO UPDATE SET body = excluded.body"
# An update in place: INSERT OR REPLACE makes a new row, which changes the index and twice as many pages.


def get(connection: sqlite3.Connection, collection: str, key: str) -> bytes | None:
    """Return the document under `key`, None if there is none."""
    return one(connection, "SELECT body FROM documents WHERE collection = ? AND key = ?", (collection, key))


def one(connection: sqlite3.Connection, query: str, values: tuple[str | bytes, ...]) -> bytes | None:
    """Return the bytes that `query` finds first, None if it finds nothing."""
    row = connection.execute(query, values).fetchone()
    return None if row is None else bytes(row[0])


def scan(
    connection: sqlite3.Connection, collection: str, *, prefix: str, after: str, limit: int
) -> list[tuple[str, bytes]]:
    """Return documents as `EventLog.scan` does."""
    query = "SELECT key, body FROM documents WHERE collection = ? AND key > ? AND key >= ? ORDER BY key LIMIT ?"
    page = []
    for key, body in connection.execute(query, (collection, after, prefix, limit)):
        # Keys with the same prefix are adjacent, so the first one without it is the end.
        if not key.startswith(prefix):
            break
        page.append((key, body))
    return page


def project(connection: sqlite3.Connection, projector: Projector, event: RecordedEvent) -> None:
    """Write what `event` changes. Raises what `projector` raises; nothing is written then.

    Several projectors use the same documents. Each document is read once and written once.
    """
    known: dict[tuple[str, str], bytes | None] = {}
    changed: dict[tuple[str, str], None] = {}

    def lookup(collection: str, key: str) -> bytes | None:
        which = (collection, key)
        if which not in known:
            known[which] = get(connection, collection, key)
        return known[which]

    for change in projector(event, lookup):
        which = (change.collection, change.key)
        changed[which] = None
        known[which] = change.body if isinstance(change, Put) else None
    for which in changed:
        body = known[which]
        if body is None:
            connection.execute("DELETE FROM documents WHERE collection = ? AND key = ?", which)
        else:
            connection.execute(_PUT, (*which, body))

"""What a migration of an SQLite log would do, found out without changing anything."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from monoskope.m8.log import record, sqlite_file, sqlite_forms
from monoskope.m8.log.event_log import Projector, Put
from monoskope.m8.log.migration import Plan

_SAMPLE = 4_000
"""Events that are replayed in memory."""

_WRITTEN = 3.0
"""How much longer it takes to write documents than to make them in memory, measured."""

_STORED = 2.2
"""How much larger keys and bodies are in the tables and their indexes, measured."""


def plan(path: Path, projector: Projector) -> Plan:
    """Return what a migration of the log in `path` would do. Changes nothing. Blocks.

    Raises:
        UsageError: it is something else, or a newer m8 wrote it.
        UnavailableError: the disk does not let us.
    """
    try:
        with closing(sqlite_file.connect(path, read_only=True)) as connection:
            sqlite_file.check_ours(connection, path)
            form = sqlite_forms.form(connection)
            if form == sqlite_forms.FORM:
                return Plan(form, form)
            events = int(connection.execute("SELECT position FROM head").fetchone()[0])
            prepared = sqlite_forms.built(connection)
            sampled, seconds, size = _sample(connection, projector)
    except sqlite3.Error as error:
        raise sqlite_file.explain(error, path) from None
    left = events - prepared
    scale = left / sampled if sampled else 0.0
    return Plan(form, sqlite_forms.FORM, left, seconds * scale * _WRITTEN, int(size * scale * _STORED))


def _sample(connection: sqlite3.Connection, projector: Projector) -> tuple[int, float, int]:
    """Replay the first events in memory: return how many, how long it took, and the bytes of their documents."""
    bodies: dict[tuple[str, str], bytes] = {}
    sampled, begun = 0, time.monotonic()
    query = "SELECT position, record FROM events ORDER BY position LIMIT ?"
    for position, row in connection.execute(query, (_SAMPLE,)):
        for change in projector(record.parse(position, row), lambda *which: bodies.get(which)):
            if isinstance(change, Put):
                bodies[change.collection, change.key] = change.body
            else:
                bodies.pop((change.collection, change.key), None)
        sampled += 1
    size = sum(len(collection) + len(key) + len(body) for (collection, key), body in bodies.items())
    return sampled, time.monotonic() - begun, size

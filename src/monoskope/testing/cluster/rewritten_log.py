"""A SQLite log as a hostile operator would rewrite it: from event 1 on, with every hash right.

The chain covers the new records, and the tree and its checkpoints are left out, so that m8 makes them anew and signs
them with the log's own keys. Nothing in such a log shows that it is not the first one.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from monoskope.m8.log import record
from monoskope.m8.log.event_log import GENESIS_HASH, NewEvent

_OF_THE_TREE = ("tree_tiles", "checkpoints", "cosignatures")
_WALL = ("events_stay", "events_last")


def rewrite(path: Path, *, actor: str) -> int:
    """Let `actor` have caused every event of the log at `path`. Returns how many there are."""
    with sqlite3.connect(path) as log:
        found = log.execute("SELECT position, record FROM events ORDER BY position").fetchall()
        walls = [row[0] for row in log.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger'")]
        for name in _WALL:
            log.execute(f"DROP TRIGGER {name}")
        previous = GENESIS_HASH
        for position, content in found:
            old = record.parse(position, content)
            new = record.make(
                NewEvent(old.type, old.data, old.uri, old.detail),
                position=position,
                stream=old.stream,
                version=old.version,
                recorded_at_ms=old.recorded_at_ms,
                actor=actor,
                previous_hash=previous,
            )
            log.execute("UPDATE events SET record = ?, hash = ? WHERE position = ?", (new.record, new.hash, position))
            previous = new.hash
        log.execute("UPDATE head SET hash = ?", (previous,))
        for wall in walls:
            log.execute(wall)
        _forget_tree(log)
    log.close()
    return len(found)


def make_strange(path: Path) -> None:
    """Let the log at `path` have no name yet, so that `m8 log init` gives it another one, and other keys."""
    with sqlite3.connect(path) as log:
        log.execute("DELETE FROM log_names")
        _forget_tree(log)
    log.close()


def _forget_tree(log: sqlite3.Connection) -> None:
    for table in _OF_THE_TREE:
        log.execute(f"DELETE FROM {table}")

"""A log that an older m8 made, and everything that the tables of documents hold."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

FIXTURE = Path(__file__).parents[1] / "fixtures" / "log-750a469.db"
EVENTS = 123
"""How many events it has."""


def old_log(folder: Path) -> Path:
    """A copy of the fixture that may be changed."""
    path = folder / "log.db"
    shutil.copyfile(FIXTURE, path)
    path.chmod(0o600)
    return path


def tables(path: Path) -> set[str]:
    """The names of all tables."""
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def documents(path: Path) -> list[tuple[object, ...]]:
    """Every row of the documents and their labels."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT * FROM documents_2 ORDER BY collection, key").fetchall()
        return rows + connection.execute("SELECT * FROM labels_2 ORDER BY collection, label, key").fetchall()

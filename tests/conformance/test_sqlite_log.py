"""The SQLite log passes the suite for event logs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

from monoskope.m8.log.sqlite import SqliteLog
from monoskope.testing.logs import EventLogContract, LogOpener


def tamper(folder: Path, statement: str, *values: object) -> None:
    """Change the file as somebody with their own SQLite would, triggers out of the way."""
    with closing(sqlite3.connect(folder / "log.db", isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER IF EXISTS events_stay")
        connection.execute("DROP TRIGGER IF EXISTS events_last")
        changed = connection.execute(statement, values).rowcount
        assert changed == 1


class TestSqliteLog(EventLogContract):
    def new_log(self, folder: Path) -> LogOpener:
        return partial(SqliteLog.open, folder / "log.db")

    def replace_record(self, folder: Path, position: int, record: bytes, digest: bytes) -> None:
        tamper(folder, "UPDATE events SET record = ?, hash = ? WHERE position = ?", record, digest, position)

    def delete_record(self, folder: Path, position: int) -> None:
        tamper(folder, "DELETE FROM events WHERE position = ?", position)

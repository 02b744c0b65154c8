"""The SQLite log passes the suite for event logs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

from monoskope.m8.log.sqlite import SqliteLog
from monoskope.testing.logs import EventLogContract, Imports, LogHarness, LogOpener


def tamper(folder: Path, statement: str, *values: object) -> None:
    """Change the file as somebody with their own SQLite would, triggers out of the way."""
    with closing(sqlite3.connect(folder / "log.db", isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER IF EXISTS events_stay")
        connection.execute("DROP TRIGGER IF EXISTS events_last")
        assert connection.execute(statement, values).rowcount == 1


class _SqliteHooks(LogHarness):
    def new_log(self, folder: Path) -> LogOpener:
        return partial(SqliteLog.open, folder / "log.db")

    def replace_record(self, folder: Path, position: int, record: bytes, digest: bytes) -> None:
        tamper(folder, "UPDATE events SET record = ?, hash = ? WHERE position = ?", record, digest, position)

    def delete_record(self, folder: Path, position: int) -> None:
        tamper(folder, "DELETE FROM events WHERE position = ?", position)


class TestSqliteLog(_SqliteHooks, EventLogContract):
    writers = 8


class TestImportsOfSqliteLog(_SqliteHooks, Imports):
    def new_target(self, folder: Path, *, for_import: bool) -> LogOpener:
        return partial(SqliteLog.open, folder / "imported.db", for_import=for_import)

"""The PostgreSQL log passes the suite for event logs, on a real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from monoskope.testing.engines.postgres import LogAt, Postgres
from monoskope.testing.logs import EventLogContract, LogOpener


class TestPostgresLog(EventLogContract):
    @pytest.fixture(autouse=True)
    def _server(self, postgres: Postgres) -> None:
        self.postgres = postgres
        self.database = postgres.create_database()

    def new_log(self, folder: Path) -> LogOpener:
        del folder
        return LogAt(self.postgres.folder, self.database)

    def tamper(self, statement: str) -> None:
        """Change the tables as their administrator could, triggers out of the way."""
        self.postgres.sql(f"SET session_replication_role = replica; {statement}", database=self.database)

    def replace_record(self, folder: Path, position: int, record: bytes, digest: bytes) -> None:
        del folder
        self.tamper(
            f"UPDATE events SET record = '\\x{record.hex()}', hash = '\\x{digest.hex()}' WHERE position = {position}"
        )

    def delete_record(self, folder: Path, position: int) -> None:
        del folder
        self.tamper(f"DELETE FROM events WHERE position = {position}")

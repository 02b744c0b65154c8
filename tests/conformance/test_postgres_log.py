"""The PostgreSQL log passes the suite for event logs, on a real server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from monoskope.testing.engines.postgres import ADMIN, USER, LogAt, Postgres
from monoskope.testing.logs import EventLogContract, Imports, LogHarness, LogOpener
from monoskope.testing.logs.following import Following
from tests.support.engines import OLDEST, postgres_programs, postgres_versions

EMPTY = f"""
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid();
DROP OWNED BY {USER} CASCADE;
"""


@pytest.fixture(scope="module", params=postgres_versions(OLDEST))
def postgres(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    """A server of the oldest version that m8 takes; in `make soak` one of the newest, too."""
    with Postgres(fsync=False, installed=postgres_programs(request.param)) as server:
        assert server.sql("SHOW server_version").startswith(request.param)
        yield server


class Databases:
    """Empty databases, which tests hand on: to empty one takes less than to make one, and than to remove its files."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._empty: list[str] = []

    def take(self) -> str:
        """Return the name of an empty database."""
        return self._empty.pop() if self._empty else self._postgres.create_database()

    def give_back(self, name: str) -> None:
        """Empty a database, whoever is connected to it."""
        self._postgres.sql(EMPTY, database=name)
        self._empty.append(name)


@pytest.fixture(scope="module")
def databases(postgres: Postgres) -> Databases:
    return Databases(postgres)


class Administrator:
    """One session of the superuser, usable while an event loop runs: a session for each statement would take longer."""

    def __init__(self, postgres: Postgres, database: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        folder, port = str(postgres.folder), postgres.port
        self._connection = self._run(asyncpg.connect(host=folder, port=port, user=ADMIN, database=database, ssl=False))

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def run(self, statement: str, *values: object) -> None:
        """Change one row."""
        assert self._run(self._connection.execute(statement, *values)).endswith(" 1")

    def without_triggers(self) -> None:
        """Let the statements that follow do what the triggers refuse."""
        self._run(self._connection.execute("SET session_replication_role = replica"))

    def close(self) -> None:
        self._run(self._connection.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class _PostgresHooks(LogHarness):
    @pytest.fixture(autouse=True)
    def _databases(self, postgres: Postgres, databases: Databases) -> Iterator[None]:
        self.postgres = postgres
        self.database = databases.take()
        self._administrator: Administrator | None = None
        yield
        self._end()
        databases.give_back(self.database)

    def _end(self) -> None:
        if self._administrator is not None:
            self._administrator.close()

    def new_log(self, folder: Path) -> LogOpener:
        del folder
        return LogAt(self.postgres.folder, self.database)

    def tamper(self, statement: str, *values: object) -> None:
        """Change one row as the database's administrator can."""
        if self._administrator is None:
            self._administrator = Administrator(self.postgres, self.database)
            self._administrator.without_triggers()
        self._administrator.run(statement, *values)

    def replace_record(self, folder: Path, position: int, record: bytes, digest: bytes) -> None:
        del folder
        self.tamper("UPDATE events SET record = $1, hash = $2 WHERE position = $3", record, digest, position)

    def delete_record(self, folder: Path, position: int) -> None:
        del folder
        self.tamper("DELETE FROM events WHERE position = $1", position)


class TestPostgresLog(_PostgresHooks, EventLogContract):
    writers = 3  # each is an interpreter that loads a driver; `make soak` starts more


@pytest.mark.soak
class TestManyWritersOfPostgresLog(_PostgresHooks, Following):
    pass


class TestImportsOfPostgresLog(_PostgresHooks, Imports):
    @pytest.fixture(autouse=True)
    def _other(self, databases: Databases) -> Iterator[None]:
        self.other = databases.take()
        yield
        databases.give_back(self.other)

    def new_target(self, folder: Path, *, for_import: bool) -> LogOpener:
        del folder
        return LogAt(self.postgres.folder, self.other, for_import=for_import)

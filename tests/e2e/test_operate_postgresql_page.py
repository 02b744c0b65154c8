"""The page about PostgreSQL, typed as it stands on a real server: from an empty one to the first put, and beyond."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from monoskope.errors import UnavailableError
from monoskope.testing.engines.postgres import Postgres
from tests.e2e.operating import OPERATE, Operator, pattern
from tests.support.engines import NEWEST, postgres_programs, postgres_versions

PAGE = OPERATE / "postgresql.md"
_BLOCK = re.compile(r"^```(?P<kind>sh|text|sql)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass
class Administrator(Operator):
    """Somebody who also types what the page says into `psql`, as the superuser."""

    postgres: Postgres = field(init=False)
    database: str = "postgres"

    def adapted(self, line: str) -> str:
        line = line.replace("db1.example", f"127.0.0.1:{self.postgres.port}")
        if line.startswith("m8 init "):
            line += f" --listen 127.0.0.1:{self.port}"
        return super().adapted(line)

    def read(self) -> None:
        """Do all that the page says, in its order."""
        printed = ""
        for match in _BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
            kind, lines = match["kind"], match["body"].strip().splitlines()
            if kind == "text":
                assert pattern(match["body"]).search(printed), printed
            elif kind == "sql":
                for line in lines:
                    self.psql(line)
            else:
                printed = "".join(self.done(line) for line in lines)

    def psql(self, line: str) -> None:
        command, *words = line.split()
        if command == "\\connect":
            [self.database] = words
        elif command == "\\password":
            new = self.folder / "db.password.new"
            file = new if new.exists() else self.folder / "db.password"
            self.postgres.sql(f"ALTER ROLE {words[0]} PASSWORD '{file.read_text().strip()}'")
        else:
            self.postgres.sql(line, database=self.database)


@pytest.fixture(scope="module", params=postgres_versions(NEWEST))
def administrator(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Administrator]:
    with Postgres(fsync=False, installed=postgres_programs(request.param)) as postgres:
        postgres.sql("DROP ROLE m8")
        someone = Administrator.at(tmp_path_factory.mktemp("administrator"))
        someone.postgres = postgres
        shutil.copy(postgres.ca_file, someone.folder / "db-ca.pem")
        yield someone
        someone.stop()


def test_the_page_does_what_it_says(administrator: Administrator) -> None:
    administrator.read()
    # m8 ran all the while; it takes the password that the page changed for its next connections.
    administrator.postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'm8'")
    administrator.identity = administrator.done("m8 reactor identity reactor").strip()
    assert "UPLOADED" in administrator.put("second")
    assert "Replayed" in administrator.done("m8 readmodels rebuild")
    assert "The log holds" in administrator.done("m8 events verify")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE m8.events SET record = record",
        "DELETE FROM m8.events",
        "TRUNCATE m8.events",
        "DROP TABLE m8.events CASCADE",
        "ALTER TABLE m8.events DISABLE TRIGGER ALL",
        "DROP TRIGGER events_stay ON m8.events",
        "CREATE TABLE public.other (x int)",
        "CREATE DATABASE other",
    ],
)
def test_the_role_of_the_page_cannot_touch_an_event(administrator: Administrator, statement: str) -> None:
    with pytest.raises(UnavailableError, match=r"permission denied|must be owner"):
        administrator.postgres.sql(statement, database="m8", role="m8")

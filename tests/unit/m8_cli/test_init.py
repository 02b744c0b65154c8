"""`m8 init` as somebody meets it who is stopped, answers wrongly, or sets up what is there."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import asyncpg
import click
import pytest

from monoskope.checks.check import Verdict
from monoskope.errors import Error, RefusedError, UsageError
from monoskope.m8 import settings
from monoskope.m8.cli.setup import roles
from monoskope.m8.cli.setup.answers import QUESTIONS, Answers, Asked
from monoskope.m8.doctor import examine
from monoskope.m8.http import tls
from monoskope.m8.http.presented import PresentedCertificate
from monoskope.m8.log.postgres.target import PostgresTarget
from monoskope.m8.opened import opened_log
from monoskope.settings import parse
from monoskope.systemd import is_trial
from monoskope.testing.engines.postgres import Postgres
from tests.unit.m8_cli.setting_up import Somebody, StoppedError, set_up, stopped_at, written

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
"""Of connections that PostgreSQL refused: the loop of a step ends before the driver has ended TLS in good order."""


def test_no_more_than_ten_questions_can_be_asked() -> None:
    assert len(QUESTIONS) <= 10


def test_a_folder_that_was_stopped_anywhere_is_completed_and_then_stays(tmp_path: Path) -> None:
    with stopped_at(-1) as names:
        set_up(tmp_path / "whole", Somebody(name="m8.example.org"), "folder")
    assert len(names) >= 7, names
    for moment in range(2 * len(names)):
        folder = tmp_path / str(moment)
        with stopped_at(moment), pytest.raises(StoppedError):
            set_up(folder, Somebody(name="m8.example.org"), "folder")
        set_up(folder, Somebody(name="m8.example.org"), "folder")
        found = settings.load(folder)
        PresentedCertificate(found).context()
        assert set(written(folder)) == set(written(tmp_path / "whole")), moment
        before = written(folder)
        set_up(folder, Somebody(), "folder")
        assert written(folder) == before


def test_keys_of_a_folder_that_lost_its_settings_are_never_made_anew(tmp_path: Path) -> None:
    set_up(tmp_path / "m8", Somebody(name="localhost"), "folder")
    (tmp_path / "m8" / "m8.toml").unlink()
    before = written(tmp_path / "m8")
    with pytest.raises(Error, match="already holds"):
        set_up(tmp_path / "m8", Somebody(name="localhost"), "folder")
    assert written(tmp_path / "m8") == before


def test_an_answer_is_asked_for_until_it_fits_and_then_never_again(tmp_path: Path) -> None:
    person = Somebody(name=["http://m8", "m8.example.org:8443"])
    set_up(tmp_path / "m8", person, "folder")
    assert "m8 speaks HTTPS alone" in person.shown
    file = settings.load(tmp_path / "m8").file
    assert (file.listen, file.names[0]) == ("0.0.0.0:8443", "m8.example.org:8443")
    set_up(tmp_path / "m8", Somebody(), "folder")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    made = tls.make(["m8.example.org"], now=dt.datetime.now(dt.UTC))
    folder = tmp_path / "acme"
    folder.mkdir()
    (folder / "fullchain.pem").write_bytes(made.certificate)
    (folder / "privkey.pem").write_bytes(made.key)
    (folder / "privkey.pem").chmod(0o600)
    return folder / "fullchain.pem"


def test_a_certificate_of_an_acme_client_is_presented_if_it_is_for_the_name(tmp_path: Path, certificate: Path) -> None:
    good, other = tmp_path / "good", tmp_path / "other"
    person = Somebody(name="m8.example.org", certificate=[str(tmp_path / "none.pem"), str(certificate)])
    set_up(good, person, "folder", "tls")
    assert "does not exist" in person.shown
    assert settings.load(good).tls_certificate == certificate
    before = written(good)
    set_up(good, Somebody(), "folder", "tls")
    assert written(good) == before
    with pytest.raises(UsageError, match=r"not for m8\.example\.com"):
        set_up(other, Somebody(name="m8.example.com"), "folder", "tls", certificate=str(certificate))
    assert settings.load(other).tls_certificate == other / "tls.crt"


def test_settings_that_somebody_wrote_stay_byte_for_byte(tmp_path: Path, certificate: Path) -> None:
    folder = tmp_path / "m8"
    set_up(folder, Somebody(name="m8.example.org"), "folder")
    text = (folder / "m8.toml").read_text() + "\n# Ours.\n[limits]\n"
    (folder / "m8.toml").write_text(text)
    set_up(folder, Somebody(certificate=str(certificate)), "tls")
    assert (folder / "m8.toml").read_text().endswith(text)


class Database:
    """A database that nobody has made yet, and a superuser who may."""

    def __init__(self, postgres: Postgres) -> None:
        self.server = postgres
        self.name = f"m8_{secrets.token_hex(4)}"
        self.url = f"postgresql://{self.name}@127.0.0.1:{postgres.port}/{self.name}"
        self.password = secrets.token_urlsafe(9)
        self.admin = f"{self.name}_admin"
        postgres.sql(f"CREATE ROLE {self.admin} SUPERUSER LOGIN PASSWORD '{self.password}'")
        self.superuser = f"postgresql://{self.admin}:{self.password}@127.0.0.1:{postgres.port}/postgres"

    def person(self) -> Somebody:
        ca = str(self.server.ca_file)
        return Somebody(name="localhost", database=self.url, database_ca=ca, superuser_file=self.superuser)

    def drop(self) -> None:
        self.server.sql(f"DROP DATABASE IF EXISTS {self.name}")
        for role in (self.name, f"{self.name}_owner", self.admin):
            self.server.sql(f"DROP ROLE IF EXISTS {role}")

    def may(self, statement: str) -> bool:
        try:
            self.server.sql(statement, database=self.name, role=self.name)
        except Error:
            return False
        return True


@pytest.fixture
def database(postgres: Postgres) -> Iterator[Database]:
    found = Database(postgres)
    yield found
    found.drop()


def test_a_database_is_made_with_a_role_that_can_only_add(tmp_path: Path, database: Database) -> None:
    person = database.person()
    with mock.patch("monoskope.systemd._HOMES", (database.server.ca_file.parent,)):
        set_up(tmp_path / "m8", person, "folder", "database")
    assert person.asked == ["name", "database", "database_ca", "superuser_file"]
    assert settings.load(tmp_path / "m8").file.database_ca == f"{tmp_path}/m8/database-ca.pem"
    assert "is copied to" in person.shown
    assert f'CREATE ROLE "{database.name}" LOGIN' in person.shown
    assert database.may("SELECT FROM events")
    assert not any(map(database.may, ("DELETE FROM events", "UPDATE events SET record = record", "DROP TABLE events")))
    everything = b"".join(written(tmp_path / "m8").values()) + person.shown.encode()
    assert database.password.encode() not in everything
    assert (tmp_path / "m8" / "db.password").read_text().strip() not in person.shown
    before = written(tmp_path / "m8")
    again = Somebody()
    set_up(tmp_path / "m8", again, "folder", "database")
    assert (written(tmp_path / "m8"), again.asked) == (before, [])


@contextlib.contextmanager
def stopped_at_statement(moment: int) -> Iterator[list[str]]:
    """Kill what runs in the block before (even) or after (odd) the nth statement of the SQL that was shown."""
    seen: list[str] = []
    real = asyncpg.Connection.execute

    async def execute(connection: asyncpg.Connection[asyncpg.Record], sql: str, *rest: object) -> object:
        if not sql.startswith(("CREATE ROLE", "CREATE DATABASE", "REVOKE", "GRANT", "CREATE SCHEMA", 'ALTER TABLE "')):
            return await real(connection, sql, *rest)
        number = len(seen)
        seen.append(sql)
        if 2 * number == moment:
            raise StoppedError
        done = await real(connection, sql, *rest)
        if 2 * number + 1 == moment:
            raise StoppedError
        return done

    with mock.patch.object(asyncpg.Connection, "execute", execute):
        yield seen


def test_a_database_that_was_stopped_at_any_statement_is_completed(tmp_path: Path, database: Database) -> None:
    folder = tmp_path / "m8"
    with stopped_at_statement(0), pytest.raises(StoppedError):
        set_up(folder, database.person(), "folder", "database")
    target = settings.load(folder).database
    assert target is not None
    statements = roles.making(target, target.password())
    by = PostgresTarget(((str(database.server.folder), database.server.port),), "postgres", "postgres")
    for done, statement in enumerate(statements):
        # What may run again does so: it is stopped at the first that no run before it has come to.
        first = 2 * sum(not one.unless for one in statements[:done])
        for moment in (first, first + 1):
            with stopped_at_statement(moment) as seen, pytest.raises(StoppedError):
                asyncio.run(roles.run(statements, target, by))
            assert seen[-1] == statement.sql
    for moment in (0, 1):
        with stopped_at_statement(moment) as seen, pytest.raises(StoppedError):
            set_up(folder, database.person(), "database")
        assert seen[-1].startswith("ALTER TABLE")
    set_up(folder, Somebody(), "database")
    assert not database.may("DELETE FROM events")
    assert database.may("SELECT FROM events")


def test_a_bad_address_and_a_bad_authority_are_refused_at_the_question(tmp_path: Path, database: Database) -> None:
    (tmp_path / "empty.pem").write_text("")
    person = database.person()
    person.left["database"] = [
        "mysql://m8@db/m8",
        "postgresql://m8:hunter2@127.0.0.1/m8",
        "postgresql://m8@127.0.0.1:1/m8",
        database.url,
    ]
    person.left["database_ca"].insert(0, str(tmp_path / "empty.pem"))
    person.left["superuser_file"].insert(0, database.superuser.replace(database.password, "wrong"))
    set_up(tmp_path / "m8", person, "folder", "database")
    for said in ("begins with postgresql://", "no place for one", "nothing listens", "no certificate", "is wrong"):
        assert said in person.shown
    assert "hunter2" not in person.shown
    assert "fix: Correct the URL. Where pg_hba.conf keeps" in person.shown


def test_what_others_have_in_a_database_ends_it_before_anything_is_changed(tmp_path: Path, database: Database) -> None:
    database.server.sql(f"CREATE DATABASE {database.name}")
    database.server.sql("CREATE TABLE theirs (x int)", database=database.name)
    with pytest.raises(RefusedError, match="tables of others"):
        set_up(tmp_path / "m8", database.person(), "folder", "database")
    roles = f"SELECT count(*) FROM pg_roles WHERE rolname IN ('{database.name}', '{database.name}_owner')"
    assert database.server.sql(roles) == "0"
    database.server.sql(f"DROP DATABASE {database.name}")
    database.server.sql(f"CREATE ROLE {database.name} SUPERUSER")
    with pytest.raises(RefusedError, match="may do more"):
        set_up(tmp_path / "m8", database.person(), "database")


def test_who_may_change_the_events_by_a_role_that_was_there_is_named(tmp_path: Path, database: Database) -> None:
    owner, member = f"{database.name}_owner", f"{database.name}_anna"
    database.server.sql(f"CREATE ROLE {owner} NOLOGIN")
    database.server.sql(f"CREATE ROLE {member} LOGIN IN ROLE {owner}")
    person = database.person()
    set_up(tmp_path / "m8", person, "folder", "database")
    fix = f'REVOKE "{owner}" FROM "{member}"'
    assert f'"{member}" can change events' in person.shown
    assert fix in person.shown
    [row] = [check for check in examine(tmp_path / "m8") if check.name == "database"]
    assert (row.verdict, fix in row.fix) == (Verdict.WARN, True)
    database.server.sql(fix)
    database.server.sql(f"DROP ROLE {member}")
    [row] = [check for check in examine(tmp_path / "m8") if check.name == "database"]
    assert row.verdict is Verdict.OK


def test_without_a_superuser_the_sql_is_shown_and_the_next_run_goes_on(tmp_path: Path, database: Database) -> None:
    person = database.person()
    person.left["superuser_file"] = [""]
    with pytest.raises(UsageError, match="cannot open its database yet"):
        set_up(tmp_path / "m8", person, "folder", "database")
    where = "postgres"
    for line in person.shown.splitlines():
        if line.startswith("\\connect"):
            where = database.name
        elif line.endswith(";"):
            database.server.sql(line, database=where)
    person = Somebody(superuser_file="")
    set_up(tmp_path / "m8", person, "database")
    assert "ALTER TABLE" in person.shown

    async def head() -> int:
        async with opened_log(settings.load(tmp_path / "m8")) as log:
            return await log.head()

    assert asyncio.run(head()) == 0


def test_ctrl_c_at_any_question_loses_no_answer(tmp_path: Path, database: Database) -> None:
    folder, whole = tmp_path / "m8", database.person()
    known: dict[str, list[str]] = {}
    for field in ("name", "database", "database_ca", "superuser_file"):
        person = Somebody(**known)
        with pytest.raises(click.Abort):
            set_up(folder, person, "folder", "database")
        assert person.asked[-1] == field
        assert len(person.asked) <= 2, "what was answered before the stop is not asked again"
        known = {field: whole.left[field]}
    set_up(folder, Somebody(**known), "folder", "database")


def test_a_file_of_answers_takes_the_place_of_questions(tmp_path: Path, database: Database) -> None:
    secret = tmp_path / "superuser"
    secret.write_text(f"{database.superuser}\n")
    file = Answers(
        name="localhost", database=database.url, database_ca=str(database.server.ca_file), superuser_file=str(secret)
    )
    secret.chmod(0o644)
    with pytest.raises(RefusedError, match="others than its owner"):
        set_up(tmp_path / "m8", None, "folder", "database", file=file)
    secret.chmod(0o600)
    set_up(tmp_path / "m8", None, "folder", "database", file=file)
    assert database.may("SELECT FROM events")


def test_the_answers_that_the_documentation_shows_are_answers() -> None:
    page = (Path(__file__).parents[3] / "docs" / "operate" / "install.md").read_text(encoding="utf-8")
    [text] = re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    found = parse(text.encode(), Answers, path=Path("answers.toml"))
    Asked(Path("nowhere"), {}, found, None).require_all()


def test_units_fit_the_folder_and_are_not_written_for_one_in_a_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Somebody(name="m8.example.org:8443")
    set_up(tmp_path / "m8", person, "folder", "units")
    unit = (tmp_path / "m8" / "units" / "m8.service").read_text()
    assert f"m8 serve --dir {tmp_path}/m8\n" in unit
    assert "SocketBindAllow=tcp:8443\n" in unit
    assert "/etc/systemd/system" in person.shown
    before = written(tmp_path / "m8")
    set_up(tmp_path / "m8", Somebody(), "units")
    assert written(tmp_path / "m8") == before
    monkeypatch.chdir(tmp_path)
    set_up(tmp_path / "m8", None, "units", file=Answers(backup="backups"))
    unit = (tmp_path / "m8" / "units" / "m8-backup.service").read_text()
    assert f"ReadWritePaths={tmp_path}/m8 {tmp_path}/backups\n" in unit
    assert is_trial(Path("/home/anna/.local/state/monoskope/m8"))
    with mock.patch("monoskope.systemd._HOMES", (tmp_path,)):
        person = Somebody()
        shutil.rmtree(tmp_path / "m8" / "units")
        set_up(tmp_path / "m8", person, "units")
        assert "/etc" not in person.shown
        assert not (tmp_path / "m8" / "units").exists()

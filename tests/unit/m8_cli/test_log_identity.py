"""A folder of m8 serves the log that it served before, or says why not: never a new or another one by mistake."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from monoskope.exit_codes import ExitCode
from monoskope.host_port import HostPort
from monoskope.m8.init import Plan, lay_out
from monoskope.m8.log.sqlite import file as sqlite_file
from monoskope.m8.settings import ServerSettings
from tests.support.m8_command import m8


@pytest.fixture
def settings(tmp_path: Path) -> ServerSettings:
    return started(tmp_path / "m8")


def started(folder: Path) -> ServerSettings:
    """A server whose log was opened once."""
    settings = lay_out(Plan(folder=folder, listen=HostPort("127.0.0.1", 0)))
    m8("token", "list", "--dir", str(folder), home=folder)
    return settings


def test_the_folder_remembers_its_log_from_the_first_start_on(settings: ServerSettings, tmp_path: Path) -> None:
    remembered = settings.log_id.read_text()
    assert remembered.strip() == sqlite_file.log_id(settings.event_log)
    m8("token", "list", "--dir", str(settings.folder), home=tmp_path)
    assert settings.log_id.read_text() == remembered


def test_another_log_is_refused_until_it_is_named(settings: ServerSettings, tmp_path: Path) -> None:
    here = ("--dir", str(settings.folder))
    other = started(tmp_path / "other")
    shutil.copy(other.event_log, settings.event_log)
    mine, theirs = settings.log_id.read_text().strip(), other.log_id.read_text().strip()

    said = m8("token", "list", *here, home=tmp_path, code=ExitCode.CONFLICT).stderr
    assert f"serves the log {mine}, but {settings.event_log} holds the log {theirs}" in said
    assert f"m8 events adopt {theirs} --dir {settings.folder}" in said

    m8("events", "adopt", mine, *here, home=tmp_path, code=ExitCode.NOT_FOUND)
    m8("events", "adopt", "nonsense", *here, home=tmp_path, code=ExitCode.NOT_FOUND)
    m8("token", "list", *here, home=tmp_path, code=ExitCode.CONFLICT)

    said = m8("events", "adopt", theirs, *here, home=tmp_path).stdout
    assert said == f"{settings.folder} serves the log {theirs}, in place of {mine}.\n"
    m8("token", "list", *here, home=tmp_path)


def test_a_log_that_is_gone_is_not_replaced_by_an_empty_one(settings: ServerSettings, tmp_path: Path) -> None:
    settings.event_log.unlink()
    said = m8("token", "list", "--dir", str(settings.folder), home=tmp_path, code=ExitCode.CONFLICT).stderr
    assert "holds no log" in said
    assert "restore that log from a backup" in said
    assert not settings.event_log.exists()


def test_a_damaged_memory_is_told_and_mended_by_naming_the_log(settings: ServerSettings, tmp_path: Path) -> None:
    here = ("--dir", str(settings.folder))
    log_id = settings.log_id.read_text().strip()
    settings.log_id.write_text("")
    said = m8("token", "list", *here, home=tmp_path, code=ExitCode.USAGE).stderr
    assert "does not hold the id of a log" in said
    m8("events", "adopt", log_id, *here, home=tmp_path)
    m8("token", "list", *here, home=tmp_path)


def test_a_database_of_somebody_else_gets_no_table_of_ours(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    assert sqlite_file.log_id(file) == ""
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]


def test_without_the_driver_the_extra_is_named(tmp_path: Path) -> None:
    settings = lay_out(Plan(tmp_path / "m8", HostPort("127.0.0.1", 0), database={"database": "postgresql://m8@db/m8"}))
    code = (
        "import sys\nsys.modules['asyncpg'] = None\nfrom monoskope.m8.cli.main import run\n"
        f"sys.exit(run(['token', 'list', '--dir', {str(settings.folder)!r}]))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == ExitCode.USAGE, ended.stderr
    assert "pip install 'monoskope[m8,postgres]'" in ended.stderr


def test_init_writes_the_database_and_refuses_a_wrong_one_before_it_makes_anything(tmp_path: Path) -> None:
    folder = tmp_path / "m8"
    wrong = ("init", "--dir", str(folder), "--database", "postgresql://m8:hunter2@db/m8")
    said = m8(*wrong, home=tmp_path, code=ExitCode.USAGE).stderr
    assert "holds a password" in said
    assert "hunter2" not in said
    assert not (folder / "m8.toml").exists()
    (tmp_path / "password").write_text("x\n")
    (tmp_path / "password").chmod(0o600)
    good = ("--database", "postgresql://m8@db/m8", "--database-password-file", "password")
    m8("init", "--dir", str(folder), *good, home=tmp_path)
    written = (folder / "m8.toml").read_text()
    assert 'database = "postgresql://m8@db/m8"' in written
    assert f'database_password_file = "{tmp_path / "password"}"' in written

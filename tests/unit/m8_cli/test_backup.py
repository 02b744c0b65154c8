"""A backup of a server that runs is whole, and can be served."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from monoskope.exit_codes import ExitCode
from monoskope.host_port import HostPort
from monoskope.m8.init import Plan, lay_out
from monoskope.m8.settings import ServerSettings, load
from tests.support.m8_command import Ended, m8
from tests.unit.m8_cli.served import served


@pytest.fixture
def settings(tmp_path: Path) -> ServerSettings:
    return lay_out(Plan(folder=tmp_path / "m8", listen=HostPort("127.0.0.1", 0)))


def command(settings: ServerSettings, *arguments: str, code: int = 0) -> Ended:
    return m8(*arguments, "--dir", str(settings.folder), home=settings.folder.parent, code=code)


def token(settings: ServerSettings, subject: str) -> str:
    options = ("--role", "user", "--subject", subject, "--prefix", "local://", "--right", "put")
    return command(settings, "token", "create", *options).stdout.strip()


def test_a_backup_of_a_running_server_holds_all_until_then_and_serves(settings: ServerSettings) -> None:
    copy = settings.folder.parent / "copy"
    with served(settings) as server:
        before = token(settings, "before")
        assert server.get_server(before).subject == "before"
        # The last events are in the write-ahead log alone: a copy of the file by hand would not have them.
        assert (settings.folder / "log.db-wal").stat().st_size > 0
        assert "holds 1 event," in command(settings, "backup", str(copy)).stdout
        after = token(settings, "after")
    files = {path.name for path in copy.iterdir()}
    assert files == {"m8.toml", "log.db", "token-signing.key", "log.key", "tls.key", "tls.crt", "ca.key", "ca.crt"}
    modes = {path.name: path.stat().st_mode & 0o777 for path in copy.iterdir()}
    assert {name for name, mode in modes.items() if mode != 0o600} == {"tls.crt", "ca.crt"}
    assert copy.stat().st_mode & 0o777 == 0o700
    with served(load(copy)) as restored:
        assert restored.get_server(before).subject == "before"
        with pytest.raises(Exception, match="log does not know it"):
            restored.get_server(after)


def test_nothing_is_written_over(settings: ServerSettings) -> None:
    said = command(settings, "backup", str(settings.folder), code=ExitCode.ALREADY_EXISTS)
    assert "exists already" in said.stderr


def test_a_log_that_does_not_hold_is_no_backup(settings: ServerSettings) -> None:
    token(settings, "anna")
    token(settings, "bob")
    with closing(sqlite3.connect(settings.event_log)) as connection:
        connection.execute("DROP TRIGGER events_stay")
        connection.execute("UPDATE events SET record = zeroblob(10) WHERE position = 2")
        connection.commit()
    copy = settings.folder.parent / "copy"
    assert (
        "does not hold at position 2" in command(settings, "backup", str(copy), code=ExitCode.IDENTITY_CHANGED).stderr
    )
    assert not (copy / "m8.toml").exists()


def test_files_outside_of_the_folder_are_named(settings: ServerSettings, tmp_path: Path) -> None:
    settings.tls_certificate.rename(tmp_path / "own.crt")
    toml = settings.folder / "m8.toml"
    toml.write_text(toml.read_text() + 'tls_certificate = "../own.crt"\n')
    said = command(settings, "backup", str(tmp_path / "copy"))
    assert "own.crt lies outside" in said.stderr

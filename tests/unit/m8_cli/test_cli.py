"""`m8` as people and scripts meet it: what it prints, how it ends, and that a folder serves its own log."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from monoskope.errors import Code, Error
from monoskope.exit_codes import ExitCode, exit_code
from monoskope.host_port import HostPort
from monoskope.m8.cli.dev import REACTOR_NEEDS
from monoskope.m8.init import lay_out
from monoskope.m8.log.sqlite import file as sqlite_file
from monoskope.m8.settings import ServerSettings
from monoskope.start import EXECUTED
from tests.support import warm
from tests.support.programs import ENVIRONMENT, Ended, m8


def process(*arguments: str, home: Path, code: int = 0, env: dict[str, str] | None = None) -> Ended:
    environment = {**ENVIRONMENT, "HOME": str(home), **(env or {})}
    done = warm.typed("m8", *arguments, environment=environment, folder=home)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return Ended(done.stdout, done.stderr)


def beginning_with(program: str, home: Path, *arguments: str, env: dict[str, str] | None = None, **ends: int) -> Ended:
    """Run a command as a process whose interpreter runs that code at its start."""
    (home / "sitecustomize.py").write_text(program, encoding="utf-8")
    return process(*arguments, home=home, env={"PYTHONPATH": str(home), **(env or {})}, **ends)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a laid out server in the default folder."""
    m8("init", "folder", home=tmp_path)
    return tmp_path


def create(home: Path, *arguments: str) -> str:
    options = ("--role", "user", "--subject", "alice", "--prefix", "vault://team-a", "--right", "put")
    return m8("token", "create", *options, *arguments, home=home).stdout


@pytest.mark.parametrize("code", Code)
def test_an_error_ends_with_the_exit_code_of_its_name(code: Code) -> None:
    assert exit_code(Error("x", code=code)).name == code.name


def test_help_names_every_command(tmp_path: Path) -> None:
    text = m8("--help", home=tmp_path).stdout
    for command in ("init", "serve", "dev", "token", "events", "readmodels", "reactor", "version"):
        assert f"\n  {command} " in text
    for words in ((), ("tls",), ("token",), ("events",)):
        assert "..." not in m8(*words, "--help", home=tmp_path).stdout.partition("Commands:")[2]


@pytest.mark.parametrize("word", ["version", "--version"])
def test_version_names_the_program(tmp_path: Path, word: str) -> None:
    assert process(word, home=tmp_path).stdout.startswith("m8 ")


def test_init_says_what_comes_next_and_never_overwrites(tmp_path: Path) -> None:
    first = m8("init", "folder", "--name", "m8.example.com", home=tmp_path)
    assert "m8 serve" in first.stdout
    assert "ca.crt" in first.stdout
    folder = tmp_path / ".local/state/monoskope/m8"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert "nothing was changed" in m8("init", "folder", "--name", "m8.example.com", home=tmp_path).stdout
    other = ("init", "folder", "--listen", "127.0.0.1:9443", "--name", "other.example.com")
    assert "another listen, names" in m8(*other, home=tmp_path, code=ExitCode.ALREADY_EXISTS).stderr
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_where_nobody_can_be_asked_every_missing_answer_is_named_before_anything_is_made(tmp_path: Path) -> None:
    said = m8("init", home=tmp_path, code=ExitCode.USAGE).stderr
    assert "name, issuer, administrator, backup, backup_key_file" in said
    assert not any(tmp_path.iterdir())


def test_init_takes_an_address_and_makes_nothing_for_a_wrong_one(tmp_path: Path) -> None:
    m8("init", "folder", "--dir", str(tmp_path / "m8"), "--listen", "127.0.0.1:9443", home=tmp_path)
    assert 'listen = "127.0.0.1:9443"' in (tmp_path / "m8" / "m8.toml").read_text()
    refused = m8(
        "init", "folder", "--dir", str(tmp_path / "no"), "--listen", "9443", home=tmp_path, code=ExitCode.USAGE
    )
    assert "host:port" in refused.stderr
    assert not (tmp_path / "no").exists()


def test_the_folder_comes_from_the_flag_before_the_environment(tmp_path: Path) -> None:
    m8("init", "folder", "--dir", str(tmp_path / "flag"), home=tmp_path, env={"M8_DIR": str(tmp_path / "env")})
    assert (tmp_path / "flag" / "m8.toml").exists()
    m8("init", "folder", home=tmp_path, env={"M8_DIR": str(tmp_path / "env")})
    assert (tmp_path / "env" / "m8.toml").exists()


def test_an_unknown_variable_is_named_but_not_those_of_kubernetes(tmp_path: Path) -> None:
    said = m8("version", home=tmp_path, env={"M8_DRI": "x", "M8_PORT_7443_TCP": "x", "M8_SERVICE_HOST": "x"}).stderr
    assert said == "warning: the environment variable M8_DRI means nothing to m8. Did you mean M8_DIR?\n"


def test_a_token_goes_to_standard_output_alone(home: Path) -> None:
    token = create(home).strip()
    assert (token.count("."), m8("token", "list", home=home).stdout.count("alice")) == (2, 1)
    assert token not in m8("token", "list", "-o", "json", home=home).stdout


def test_a_token_file_is_private_and_never_overwritten(home: Path) -> None:
    file = home / "token"
    assert (create(home, "--out", str(file)), file.stat().st_mode & 0o777) == ("", 0o600)
    options = ("--role", "administrator", "--subject", "root", "--out", str(file))
    m8("token", "create", *options, home=home, code=ExitCode.USAGE)
    assert len(json.loads(m8("token", "list", "-o", "json", home=home).stdout)) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--ttl", "1y"), "30d"),
        (("--ttl", "9999d"), "366 days"),
        (("--role", "king"), "administrator"),
        (("--right", "look"), "see-hash"),
        (("--prefix", "nonsense"), "://"),
    ],
)
def test_a_token_that_breaks_a_rule_is_refused_with_the_rule(home: Path, arguments: tuple[str, ...], said: str) -> None:
    options = ("--subject", "alice", "--prefix", "vault://team-a", "--right", "put")
    role = () if "--role" in arguments else ("--role", "user")
    assert said in m8("token", "create", *options, *role, *arguments, home=home, code=ExitCode.USAGE).stderr
    assert m8("events", "-o", "json", home=home).stdout == "[]\n"


def test_a_revoked_token_is_listed_as_revoked(home: Path) -> None:
    create(home)
    [token] = json.loads(m8("token", "list", "-o", "json", home=home).stdout)
    assert (token["state"], token["rights"], token["prefixes"]) == ("valid", ["put"], ["vault://team-a"])
    m8("token", "revoke", token["id"], home=home)
    [token] = json.loads(m8("token", "list", "-o", "json", home=home).stdout)
    assert token["state"] == "revoked"
    assert m8("token", "list", "--valid", "-o", "json", home=home).stdout == "[]\n"
    m8("token", "revoke", "nobody", home=home, code=ExitCode.NOT_FOUND)


def test_events_are_those_of_the_log(home: Path) -> None:
    create(home)
    create(home)
    events = json.loads(m8("events", "-o", "json", home=home).stdout)
    assert [(event["position"], event["type"]) for event in events] == [(1, "TokenIssued"), (2, "TokenIssued")]
    assert len(events[0]["hash"]) == 64
    after = json.loads(m8("events", "--after", "1", "--limit", "5", "-o", "json", home=home).stdout)
    assert after == events[1:]
    stream = json.loads(m8("events", "--stream", events[0]["stream"], "-o", "json", home=home).stdout)
    assert stream == events[:1]
    assert "TokenIssued" in m8("events", home=home).stdout


def test_a_token_is_recorded_with_who_issued_and_revoked_it_and_with_what_it_allows(home: Path) -> None:
    account = pwd.getpwuid(os.geteuid()).pw_name
    create(home)
    [issued] = json.loads(m8("events", "-o", "json", home=home).stdout)
    [token] = json.loads(m8("token", "list", "-o", "json", home=home).stdout)
    m8("token", "revoke", token["id"], home=home, env={"SUDO_USER": "daemon"})
    revoked = json.loads(m8("events", "-o", "json", home=home).stdout)[1]
    assert (issued["actor"], revoked["actor"]) == (f"m8/os/{account}", f"m8/os/{account}/sudo/daemon")
    assert issued["detail"] == f"{token['id']} for alice, user: put below vault://team-a"


def test_verify_and_rebuild_and_erase_work_in_the_folder_they_are_given(home: Path) -> None:
    create(home)
    folder = str(home / ".local/state/monoskope/m8")
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    for arguments in (("--dir", folder, "verify"), ("verify", "--dir", folder)):
        assert "1 event," in m8("events", *arguments, home=elsewhere).stdout
    assert "Replayed 1 event." in m8("readmodels", "rebuild", "--dir", folder, home=elsewhere).stdout
    assert "Erased 0" in m8("events", "erase-sealed", "--older-than", "30d", "--dir", folder, home=elsewhere).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("tokne",), "error: no such command 'tokne'"),
        (("token", "create"), "fix: See: m8 token create --help"),
        (("events", "--limit", "0"), "limit"),
    ],
)
def test_a_malformed_command_line_says_what_is_wrong(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    assert said in m8(*arguments, home=tmp_path, code=ExitCode.USAGE).stderr


def test_a_folder_without_a_server_says_how_to_make_one(tmp_path: Path) -> None:
    for command in (("serve",), ("token", "list"), ("events",), ("readmodels", "rebuild")):
        assert "m8 init" in m8(*command, home=tmp_path, code=ExitCode.USAGE).stderr


def test_a_missing_extra_is_one_sentence(tmp_path: Path) -> None:
    done = beginning_with("import sys\nsys.modules['joserfc'] = None\n", tmp_path, "token", "list", code=ExitCode.USAGE)
    assert "pip install 'monoskope[m8]'" in done.stderr


@pytest.mark.parametrize("absent", ["joserfc", "pyrage"])
def test_m8_dev_without_its_extras_is_one_error_and_one_fix_and_makes_nothing(tmp_path: Path, absent: str) -> None:
    at_start = (
        f"import sys\nimport importlib.util as u\nsys.modules['{absent}'] = None\nfind = u.find_spec\n"
        f"u.find_spec = lambda name, *rest: None if name == '{absent}' else find(name, *rest)\n"
    )
    done = beginning_with(at_start, tmp_path, "dev", "--dir", "new", code=ExitCode.USAGE)
    fix = "fix: Install it: pip install 'monoskope[m8,reactor,age]'"
    assert done.stderr.splitlines() == [f"error: m8 dev needs the package {absent}.", fix]
    assert not (tmp_path / "new").exists()


def test_the_packages_that_m8_dev_looks_for_are_those_that_its_extras_bring() -> None:
    required = [Requirement(text) for text in metadata.requires("monoskope") or []]

    def of(extra: str) -> set[str]:
        return {one.name for one in required if one.marker is not None and one.marker.evaluate({"extra": extra})}

    assert {name.replace("_", "-") for name in REACTOR_NEEDS} == (of("reactor") | of("age")) - of("") - {"uvloop"}


@pytest.mark.parametrize("arguments", [(), ("--help",), ("run", "--", "-x", "a b"), ("--", "--dir")])
def test_the_reactors_arguments_are_passed_as_they_are(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    # Stands in for the interpreter that becomes the reactor.
    shown = "import os, sys\nos.execve = lambda path, args, _: (print(repr((path, args))), sys.exit(0))\n"
    done = beginning_with(shown, tmp_path, "reactor", *arguments, env={EXECUTED: "1"})
    command = [sys.executable, "-P", "-m", "monoskope.reactor", *arguments]
    assert done.stdout == f"{(sys.executable, command)!r}\n"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere memory that is freed is not overwritten")
def test_the_reactor_starts_under_its_allocators_settings_and_need_not_execute_itself_again(tmp_path: Path) -> None:
    looked = f"[given[2].get(name) for name in ('{EXECUTED}', 'PYTHONMALLOC')], 'click' in sys.modules"
    shown = f"import os, sys\nos.execve = lambda *given: (print({looked}), sys.exit(0))\n"
    done = beginning_with(shown, tmp_path, "reactor", "--help")
    assert done.stdout == "['1', 'malloc'] False\n"  # and before a command line is loaded that it has no use for


def test_nothing_of_the_reactor_or_the_client_is_imported(tmp_path: Path) -> None:
    program = (
        "import sys, monoskope.m8.cli.main as cli\n"
        "cli.run(['--help'])\n"
        "print(sorted(m for m in sys.modules if m.startswith(('monoskope.reactor', 'monoskope.client',"
        " 'monoskope.stores', 'monoskope.monoctl'))))\n"
    )
    command = [sys.executable, "-P", "-c", program]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.endswith("\n[]\n")


@pytest.fixture
def settings(tmp_path: Path) -> ServerSettings:
    return started(tmp_path / "m8")


def started(folder: Path) -> ServerSettings:
    """A server whose log was opened once."""
    settings = lay_out(folder=folder, listen=HostPort("127.0.0.1", 0))
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
    settings = lay_out(tmp_path / "m8", HostPort("127.0.0.1", 0), database={"database": "postgresql://m8@db/m8"})
    code = (
        "import sys\nsys.modules['asyncpg'] = None\nfrom monoskope.m8.cli.main import run\n"
        f"sys.exit(run(['token', 'list', '--dir', {str(settings.folder)!r}]))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == ExitCode.USAGE, ended.stderr
    assert "pip install 'monoskope[m8,postgres]'" in ended.stderr


def test_init_writes_the_database_and_refuses_a_wrong_one_before_it_makes_anything(tmp_path: Path) -> None:
    folder = tmp_path / "m8"
    wrong = ("init", "folder", "--dir", str(folder), "--database", "postgresql://m8:hunter2@db/m8")
    said = m8(*wrong, home=tmp_path, code=ExitCode.USAGE).stderr
    assert "holds a password" in said
    assert "hunter2" not in said
    assert not (folder / "m8.toml").exists()
    (tmp_path / "password").write_text("x\n")
    (tmp_path / "password").chmod(0o600)
    good = ("--database", "postgresql://m8@db/m8", "--database-password-file", "password")
    m8("init", "folder", "--dir", str(folder), *good, home=tmp_path)
    written = (folder / "m8.toml").read_text()
    assert 'database = "postgresql://m8@db/m8"' in written
    assert f'database_password_file = "{tmp_path / "password"}"' in written

"""`m8 doctor`: one row a broken state of a server. Each says FAIL or WARN beside its fix."""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from monoskope import operations
from monoskope.checks.check import Check, Verdict
from monoskope.exit_codes import ExitCode
from monoskope.host_port import HostPort
from monoskope.m8 import renewal
from monoskope.m8.background.presence import Note, Replica
from monoskope.m8.dev.environment import dev_folder
from monoskope.m8.doctor import examine, running
from monoskope.m8.doctor.database import postgres_check, process_check
from monoskope.m8.doctor.folder import room_check
from monoskope.m8.http import tls
from monoskope.m8.init import lay_out
from monoskope.m8.log.folder import note_backup
from monoskope.m8.log.postgres import connections
from monoskope.m8.log.postgres.facts import Facts
from monoskope.m8.log.sqlite.disk import Reserve
from monoskope.m8.settings import ServerSettings, load
from monoskope.protocol.bundle import Bundle, Log, Login
from monoskope.settings import write_private
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.engines.postgres import Postgres
from monoskope.testing.parts import wait_until
from monoskope.testing.scripted.log import ScriptedLog
from monoskope.times import wall_clock
from tests.support.programs import m8
from tests.unit.m8_cli.served import laid_out, served

FAIL, WARN = Verdict.FAIL, Verdict.WARN
NOW = dt.datetime.now(dt.UTC)
DAY_MS = 86_400_000


def certify(folder: Path, now: dt.datetime) -> None:
    """Give a server a certificate that its own CA signed at `now`."""
    key = ec.generate_private_key(ec.SECP256R1())
    ca_key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), password=None)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    authority = tls.Authority(renewal.authorities(folder)[0], ca_key)
    write_private(folder / "tls.key", tls.key_pem(key), replace=True)
    (folder / "tls.crt").write_bytes(tls.pem(tls.sign(authority, ["m8.example.com"], key.public_key(), now=now)))


def say(folder: Path, text: str) -> None:
    """Write into m8.toml, before what is there."""
    file = folder / "m8.toml"
    file.write_text(f"{text}\n{file.read_text(encoding='utf-8')}", encoding="utf-8")


def other_pair(folder: Path) -> None:
    (folder / "tls.key").write_bytes(tls.key_pem(ec.generate_private_key(ec.SECP256R1())))


def rename(folder: Path) -> None:
    text = (folder / "m8.toml").read_text(encoding="utf-8")
    (folder / "m8.toml").write_text(text.replace("m8.example.com", "other.example.com"), encoding="utf-8")


def foreign_log(folder: Path) -> None:
    with sqlite3.connect(folder / "log.db") as connection:
        connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    (folder / "log.db").chmod(0o600)


def issuer_without_keys(folder: Path) -> None:
    with (folder / "m8.toml").open("a", encoding="utf-8") as file:
        file.write(
            '[[issuers]]\nname = "corp"\nissuer = "https://idp.example.com"\njwks_file = "no.json"\n'
            'audience = "m8"\n[[issuers.rules]]\nname_claim = "sub"\nmatch = {}\n'
        )


def bundle_of_another(folder: Path, server: str = "other.example.com:7443") -> None:
    say(folder, 'bundle = "bundle.json"')
    log = ScriptedLog(1)
    made = Bundle(
        servers=(server,),
        contact="anna",
        login=Login("https://idp.example.com", "monoctl"),
        log=Log((log.vkeys[0], log.vkeys[1])),
        stores={"vault": Identity().shown},
    )
    (folder / "bundle.json").write_bytes(bytes(made))


def credentials_away(folder: Path) -> None:
    (folder / "token-signing.key").unlink()
    (folder / "token-signing.key").symlink_to("/run/credentials/m8.service/token-signing.key")


def own_bundle(folder: Path) -> None:
    bundle_of_another(folder, "m8.example.com:7443")
    (folder / "address").write_text("127.0.0.1:7443\n")


def broken_bundle(folder: Path) -> None:
    bundle_of_another(folder)
    file = folder / "bundle.json"
    file.write_bytes(file.read_bytes().replace(b"anna", b" anna", 1).replace(b'"contact": "', b'"contact":"', 1))


def killed(folder: Path) -> None:
    (folder / "operations-address").write_text("127.0.0.1:1\n")


def quiet(folder: Path) -> None:
    (folder / "address").write_text("127.0.0.1:1\n")


BROKEN: dict[str, tuple[Callable[[Path], object], str, Verdict, str, str]] = {
    "no folder": (shutil.rmtree, "folder", FAIL, "There is no folder", "m8 init folder --dir"),
    "no settings": (lambda at: (at / "m8.toml").unlink(), "settings", FAIL, "no m8.toml", "m8 init folder --dir"),
    "wrong settings": (lambda at: say(at, "nonsense = 1"), "settings", FAIL, "nonsense", "Remove it"),
    "key open": (lambda at: (at / "token-signing.key").chmod(0o644), "files", FAIL, "0644", "chmod 600"),
    "log open": (lambda at: (at / "log.db").chmod(0o640), "files", FAIL, "log.db has mode 0640", "chmod 600"),
    "folder open": (lambda at: at.chmod(0o777), "files", FAIL, "others than its owner", "chmod go-w"),
    "keys away": (credentials_away, "files", Verdict.NOT_KNOWN, "credentials of systemd", "Start m8"),
    "no key": (lambda at: (at / "token-signing.key").unlink(), "files", FAIL, "does not exist", "Create it"),
    "expired": (lambda at: certify(at, NOW - dt.timedelta(1830)), "certificate", FAIL, "expired", "m8 tls renew"),
    "expires": (lambda at: certify(at, NOW - dt.timedelta(1820)), "certificate", WARN, "expires in 5 days", "renew"),
    "other key": (other_pair, "certificate", FAIL, "is not the key of", "belong together"),
    "no certificate": (lambda at: (at / "tls.crt").unlink(), "certificate", FAIL, "cannot be read", "Check"),
    "other name": (rename, "certificate", FAIL, "not for other.example.com", "m8 tls renew"),
    "waiting": (
        lambda at: renewal.renew(load(at), now=NOW, new_ca=True),
        "next certificate",
        WARN,
        "waits",
        "activate",
    ),
    "killed": (killed, "server", FAIL, "does not answer at 127.0.0.1:1", "m8 serve --dir"),
    "stopped": (lambda at: None, "server", FAIL, "m8 does not run", "m8 serve --dir"),
    "no listener": (quiet, "server", WARN, "no listener", "operations_listen"),
    "no backup": (lambda at: None, "backup", WARN, "has made none", "m8 backup create"),
    "old backup": (lambda at: note_backup(at, wall_clock() - 2 * DAY_MS), "backup", WARN, "2d ago", "backup create"),
    "issuer": (issuer_without_keys, "issuer corp", FAIL, "no.json cannot be read", "Check the file"),
    "foreign log": (foreign_log, "database", FAIL, "not an event log", "Name another file"),
    "a bundle of another": (bundle_of_another, "bundle", FAIL, "is for other.example.com:7443", "Correct `bundle`"),
    "its own bundle": (own_bundle, "bundle", Verdict.OK, "to compare with what you published: SHA256:", ""),
    "a broken bundle": (broken_bundle, "bundle", FAIL, "is no bundle", "monoctl config bundle"),
    "no log": (lambda at: (at / "log.db").unlink(), "event log", WARN, "no event log yet", "m8 serve"),
    "no log keys": (lambda at: (at / "log.key").unlink(), "log", FAIL, "log.key", "m8 log status"),
    "nobody": (lambda at: None, "m8 processes", WARN, "None was heard", "Start m8"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a server that has a log, and does not run."""
    folder = tmp_path_factory.mktemp("doctor") / "m8"
    laid_out(folder, names=["m8.example.com"])
    words = ("token", "create", "--dir", str(folder), "--role", "administrator", "--subject", "anna")
    m8(*words, home=folder)
    return folder


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_server_is_told_of_with_the_fix(name: str, made: Path, tmp_path: Path) -> None:
    break_it, row, verdict, said, fix = BROKEN[name]
    folder = tmp_path / "m8"
    shutil.copytree(made, folder)
    if name == "foreign log":
        (folder / "log.db").unlink()
        (folder / "log-id").unlink()
    break_it(folder)
    checks = examine(folder)
    rows = [check for check in checks if check.name == row and check.verdict is verdict]
    assert any(said in check.said and fix in check.fix for check in rows), checks
    # Nothing else fails: a healthy server that does not run has one FAIL. A log that is open to others is not used.
    failed = {check.name for check in checks if check.verdict is FAIL}
    assert failed <= {"server", row} | ({"database"} if name == "log open" else set()), checks


def test_a_server_that_runs_is_well_and_shows_no_secret(tmp_path: Path) -> None:
    settings = laid_out(tmp_path / "m8", toml="[log]\ncheckpoint_every_s = 0.05\n")
    here = ("--dir", str(settings.folder))
    m8("token", "create", *here, "--role", "administrator", "--subject", "anna", home=tmp_path)
    with served(settings) as server:
        server.until_ready()
        wait_until(lambda: Reserve(settings.event_log).is_made, what="m8 has made its reserve")
        while "signed_at: never" in m8("log", "status", *here, home=tmp_path).stdout:
            pass
        recipient = m8("backup", "key", str(tmp_path / "identity"), home=tmp_path).stdout.strip()
        m8("backup", "create", *here, "--recipient", recipient, str(tmp_path / "log.age"), home=tmp_path)
        shown = m8("doctor", *here, home=tmp_path).stdout
        found = json.loads(m8("doctor", *here, "-o", "json", home=tmp_path).stdout)
    assert {(row["check"], row["verdict"], row["fix"]) for row in found} == {
        (name, "OK", "")
        for name in (
            *("settings", "files", "certificate", "CA", "server", "disk", "backup", "issuers", "database"),
            *("m8 processes", "log", *(["unit"] if running.unit_state() is not None else [])),
        )
    }
    for key in (settings.signing_key, settings.tls_key, settings.folder / "log.key"):
        content = key.read_bytes()
        secrets = {content.hex(), base64.b64encode(content).decode(), *content.decode("latin-1").splitlines()[1:-1]}
        assert not any(secret and secret in shown + str(found) for secret in secrets)


def test_a_stopped_server_ends_with_21_and_a_dev_server_is_told_of_in_one_sentence(tmp_path: Path) -> None:
    lay_out(tmp_path / "m8", HostPort("127.0.0.1", 0))
    assert m8("doctor", "--dir", str(tmp_path / "m8"), home=tmp_path, code=ExitCode.CHECK_FAILED).stdout
    dev = tmp_path / ".local/state/monoskope/dev"
    (dev / "client").mkdir(parents=True)
    (dev / "lock").touch()
    lay_out(dev / "m8", HostPort("127.0.0.1", 0))
    for words in ((), ("--dir", str(dev)), ("--dir", str(dev / "m8"))):
        (line,) = m8("doctor", *words, home=tmp_path).stdout.splitlines()
        assert "m8 dev" in line
    assert dev_folder(tmp_path / "m8") is None


async def test_m8_that_is_not_ready_and_what_is_not_m8_are_told_apart(tmp_path: Path) -> None:
    settings = laid_out(tmp_path / "m8")

    async def unready() -> operations.Answer:
        return operations.readiness({"database": "slow", "serving": "ok"})

    async def strange() -> operations.Answer:
        return operations.Answer(200, "text/plain", b"[]")

    for handler, said in ((unready, "not ready: database slow"), (strange, "is not m8")):
        for address in (HostPort("127.0.0.1", 0), settings.folder / "operations.sock"):
            async with operations.listening(address, {"/readyz": handler}) as where:
                (settings.folder / "operations-address").write_text(where)
                check = await running.server_check(settings, "start")
            assert check.verdict is FAIL
            assert said in check.said


@pytest.mark.parametrize(
    ("state", "verdict", "fix"),
    [
        ({"LoadState": "not-found"}, WARN, "deploy.md"),
        ({"LoadState": "loaded", "ActiveState": "failed", "UnitFileState": "enabled"}, FAIL, "journalctl"),
        (
            {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "disabled"},
            WARN,
            "systemctl enable",
        ),
        ({"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled"}, Verdict.OK, ""),
    ],
)
def test_the_unit_is_there_enabled_and_has_not_failed(state: dict[str, str], verdict: Verdict, fix: str) -> None:
    (check,) = running.unit_checks(state)
    assert check.verdict is verdict
    assert fix in check.fix


def test_the_room_and_the_processes_are_judged(tmp_path: Path) -> None:
    settings = laid_out(tmp_path / "m8")
    assert [room_check(free).verdict for free in (2**20, 2**29, 2**34)] == [FAIL, WARN, Verdict.OK]
    one, two = (Replica("m8/a", 0, Note(version, 0, "h", "a:1")) for version in ("1.0", "1.1"))
    assert process_check([one, two], settings).verdict is WARN
    assert process_check([one, one], settings).verdict is Verdict.OK


def test_who_runs_it_must_be_who_owns_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = lay_out(tmp_path / "m8", HostPort("127.0.0.1", 0)).folder
    if os.geteuid() == 0:
        os.chown(folder, 4_242, -1)
    monkeypatch.setattr(os, "geteuid", lambda: 4_343)
    (check,) = examine(folder)
    assert check.verdict is FAIL
    assert check.fix.startswith("sudo -u ")
    assert check.fix.endswith(f" m8 doctor --dir {folder}")


def on_postgres(postgres: Postgres, folder: Path) -> ServerSettings:
    password = folder.with_suffix(".password")
    password.write_text(postgres.password)
    password.chmod(0o600)
    table = {
        "database": f"postgresql://m8@127.0.0.1:{postgres.port}/{postgres.create_database()}",
        "database_ca": str(postgres.ca_file),
        "database_password_file": str(password),
    }
    return laid_out(folder, database=table)


def test_postgresql_its_version_and_clock_and_what_the_role_may_do(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = on_postgres(postgres, tmp_path / "m8")
    m8("token", "list", "--dir", str(settings.folder), home=tmp_path)

    def rows(ahead_ms: int = 0) -> dict[str, Check]:
        return {one.name: one for one in examine(settings.folder, clock=lambda: wall_clock() + ahead_ms)}

    found = rows()
    assert found["database"].verdict is Verdict.OK, found
    assert found["clock"].verdict is Verdict.OK, found
    assert rows(600_000)["clock"].verdict is FAIL
    assert settings.database is not None
    postgres.sql("REVOKE INSERT ON events FROM m8", database=settings.database.database)
    lacking = rows()["database"]
    assert (lacking.verdict, "may not write" in lacking.said) == (FAIL, True), lacking
    assert "postgresql.md" in lacking.fix
    facts = Facts("17.2", 0, is_superuser=True, may_write=True, is_empty=False)
    assert postgres_check(facts, settings.database).verdict is WARN
    monkeypatch.setattr(connections, "MINIMUM_VERSION", 99)
    old = rows()["database"]
    assert (old.verdict, "is older than" in old.said) == (FAIL, True), old
    assert old.fix.startswith("Upgrade the server")

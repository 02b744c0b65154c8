"""Migrating and rebuilding the read models beside those who append, and killed at each step."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import ConflictError, UnavailableError
from monoskope.host_port import HostPort
from monoskope.m8.domain.events import write
from monoskope.m8.init import Plan, lay_out
from monoskope.m8.log import sqlite_documents, sqlite_file, sqlite_leases
from monoskope.m8.log.event_log import NewEvent
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.log.sqlite_build import LEASE_MS
from monoskope.m8.readmodels.documents import TOKENS, project
from monoskope.testing.parts import wait_until
from monoskope.times import now_ms
from tests.support.m8_command import m8
from tests.support.old_log import EVENTS, documents, old_log, tables
from tests.unit.m8_cli.served import ENVIRONMENT, PROGRAM

KEPT = {
    "events",
    "head",
    "sealed",
    "beats",
    "beat_notes",
    "leases",
    "builds",
    "log_id",
    "cursors",
    "tree_tiles",
    "log_names",
    "checkpoints",
    "cosignatures",
    "documents_2",
    "labels_2",
}
PHASES = ("building", "exchanging", "dropping")
MORE = [pytest.param("building", marks=pytest.mark.soak), "exchanging"]
"""A step in CI, and one more in `make soak`."""
DIFFERENT, CONFLICT, UNAVAILABLE = 12, 6, 7
PATIENCE_S = 60
HOUR_MS = 3_600_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A server's folder with the log of an older m8."""
    lay_out(Plan(folder=tmp_path / "m8", listen=HostPort.parse("127.0.0.1:0"), names=()))
    return old_log(tmp_path / "m8").parent


@contextmanager
def running(folder: Path, *words: str, failpoints: str = "") -> Iterator[subprocess.Popen[str]]:
    """A command of m8 in a process of its own."""
    environment = {**ENVIRONMENT, "HOME": str(folder), "MONOSKOPE_FAILPOINTS": failpoints}
    command = [*PROGRAM, *words, "--dir", str(folder)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def is_stopped(process: subprocess.Popen[str]) -> bool:
    return os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOHANG) is not None


def issued(name: str) -> list[NewEvent]:
    return [write(events_pb2.TokenIssued(id=name, subject="anna"))]


async def opened(path: Path, *, later_ms: int = 0) -> SqliteLog:
    return await SqliteLog.open(path, clock=lambda: now_ms() + later_ms, projector=project, migrates=False)


async def from_scratch(log: SqliteLog, path: Path) -> list[tuple[object, ...]]:
    """The documents of a new log into which the events of `log` are projected one by one."""
    sqlite_file.prepare(path)
    with closing(sqlite_file.connect(path)) as connection:
        connection.execute("BEGIN")
        for event in await log.read(after=0, limit=10_000):
            sqlite_documents.project(connection, project, event)
        connection.execute("COMMIT")
    return documents(path)


@pytest.mark.parametrize("words", [("serve",), ("migrate",)])
def test_an_old_log_of_another_folder_is_refused_before_it_is_migrated(
    folder: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """Its own m8, which is older, can go on to serve it."""
    (folder / "log-id").write_text(f"{'0' * 32}\n")
    before = tables(folder / "log.db")
    said = m8(*words, "--dir", str(folder), home=tmp_path, code=CONFLICT).stderr
    assert "holds the log" in said
    assert tables(folder / "log.db") - {"log_id"} == before
    assert "documents_2" not in before


async def test_others_append_while_a_rebuild_stands_still_at_each_of_its_steps(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    m8("migrate", "--dir", str(folder), home=tmp_path)
    # By this log's clock the lease of who stands still lasts another hour.
    monkeypatch.setattr(sqlite_leases, "LONGEST_MS", 2 * HOUR_MS)
    log = await opened(folder / "log.db", later_ms=-HOUR_MS)
    failpoints = ",".join(f"m8.rebuild.{phase}=stop" for phase in PHASES)
    with running(folder, "readmodels", "rebuild", failpoints=failpoints) as process:
        for phase in PHASES:
            wait_until(lambda: is_stopped(process), what=f"the rebuild stands still before {phase}")
            await log.append(f"token/{phase}", 0, issued(phase), actor="m8")
            assert await log.get(TOKENS, phase) is not None
            with pytest.raises(ConflictError, match="rebuilt already"):
                await log.rebuild()
            process.send_signal(signal.SIGCONT)
        assert process.communicate(timeout=300)[0] == f"Replayed {EVENTS + 2} events.\n"
    assert documents(folder / "log.db") == await from_scratch(log, tmp_path / "other.db")
    assert tables(folder / "log.db") == KEPT
    await log.close()


@pytest.mark.parametrize("phase", [*MORE, pytest.param("dropping", marks=pytest.mark.soak)])
async def test_a_rebuild_that_is_killed_leaves_nothing_that_hurts(folder: Path, tmp_path: Path, phase: str) -> None:
    m8("migrate", "--dir", str(folder), home=tmp_path)
    before = documents(folder / "log.db")
    with running(folder, "readmodels", "rebuild", failpoints=f"m8.rebuild.{phase}=kill") as process:
        assert process.wait(300) == -signal.SIGKILL
    assert documents(folder / "log.db") == before
    assert tables(folder / "log.db") > KEPT
    # The next start drops what is left, once the lease has run out.
    log = await opened(folder / "log.db", later_ms=2 * LEASE_MS)
    await log.append("token/a", 0, issued("a"), actor="m8")
    async with asyncio.timeout(PATIENCE_S):
        while tables(folder / "log.db") != KEPT:
            await log.beat("m8/1", 1)
    assert await log.rebuild() == EVENTS + 1
    assert documents(folder / "log.db") == await from_scratch(log, tmp_path / "other.db")
    await log.close()


def test_a_check_says_what_would_happen_and_changes_nothing(folder: Path, tmp_path: Path) -> None:
    before = (folder / "log.db").read_bytes()
    said = m8("migrate", "--check", "--dir", str(folder), home=tmp_path, code=DIFFERENT).stdout
    for part in ("form 1", "form 2", f"replay: {EVENTS}.", "MiB", "Online"):
        assert part in said
    assert (folder / "log.db").read_bytes() == before
    assert "m8 migrate" in m8("events", "--dir", str(folder), home=tmp_path, code=CONFLICT).stderr
    assert f"{EVENTS} events" in m8("migrate", "--dir", str(folder), home=tmp_path).stdout
    assert "Nothing to do" in m8("migrate", "--check", "--dir", str(folder), home=tmp_path).stdout
    m8("events", "verify", "--dir", str(folder), home=tmp_path)
    assert tables(folder / "log.db") == KEPT


@pytest.mark.parametrize("phase", MORE)
async def test_a_migration_that_is_killed_goes_on_when_m8_starts(folder: Path, tmp_path: Path, phase: str) -> None:
    with running(folder, "migrate", failpoints=f"m8.rebuild.{phase}=kill") as process:
        assert process.wait(300) == -signal.SIGKILL
    path = folder / "log.db"
    assert "documents" in tables(path)
    log = await SqliteLog.open(path, clock=lambda: now_ms() + 2 * LEASE_MS, projector=project)
    assert documents(path) == await from_scratch(log, tmp_path / "other.db")
    await log.close()


def older_m8(path: Path) -> sqlite3.Connection:
    """What an m8 of form 1 does with a log that it has open."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("SELECT body FROM documents WHERE collection = 'secrets'").fetchall()
    return connection


async def test_an_older_m8_goes_on_until_the_change_and_fails_safely_from_then_on(folder: Path, tmp_path: Path) -> None:
    path = folder / "log.db"
    append = "INSERT INTO events VALUES (?, 'other', ?, x'00', x'00')"
    with closing(older_m8(path)) as older:
        m8("migrate", "--prepare", "--dir", str(folder), home=tmp_path)
        older.execute("INSERT INTO documents VALUES ('secrets', 'vault://new', x'00')")
        older.execute("DELETE FROM documents WHERE key = 'vault://new'")
        said = m8("migrate", "--check", "--dir", str(folder), home=tmp_path, code=DIFFERENT).stdout
        assert "form 1" in said
        m8("migrate", "--dir", str(folder), home=tmp_path)
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            older.execute("SELECT body FROM documents WHERE collection = 'secrets'")
        older.execute("BEGIN IMMEDIATE")
        older.execute(append, (EVENTS + 1, 1))
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            older.execute("INSERT INTO documents VALUES ('secrets', 'vault://new', x'00')")
        older.execute("ROLLBACK")
    log = await opened(path)
    assert await log.check_chain() == EVENTS
    await log.close()


async def test_this_m8_says_so_when_a_newer_one_has_changed_the_form(folder: Path, tmp_path: Path) -> None:
    m8("migrate", "--dir", str(folder), home=tmp_path)
    log = await opened(folder / "log.db")
    with closing(sqlite3.connect(folder / "log.db")) as newer:
        newer.execute("ALTER TABLE documents_2 RENAME TO outdated_documents_2")
        newer.execute("PRAGMA user_version = 3")
    for failing in (log.get(TOKENS, "a"), log.append("token/a", 0, issued("a"), actor="m8")):
        with pytest.raises(UnavailableError, match=r"newer m8 .* newer version"):
            await failing
    await log.close()
    with pytest.raises(Exception, match="has schema 3, this m8 knows 2"):
        sqlite_file.prepare(folder / "log.db")


def test_an_m8_that_cannot_listen_leaves_the_log_to_the_older_one_that_serves(folder: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = folder / "m8.toml"
        settings.write_text(
            settings.read_text().replace('listen = "127.0.0.1:0"', f'listen = "127.0.0.1:{taken.getsockname()[1]}"', 1)
        )
        refused = m8("serve", "--dir", str(folder), home=tmp_path, code=UNAVAILABLE)
    assert "cannot listen" in refused.stderr
    assert "documents" in tables(folder / "log.db")

"""The documents are made anew beside those who append; a rebuild that is killed leaves nothing that hurts."""

from __future__ import annotations

import asyncio
import os
import signal
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
from monoskope.m8.init import lay_out
from monoskope.m8.log.event_log import NewEvent
from monoskope.m8.log.sqlite import SqliteLog, file, rebuild
from monoskope.m8.log.sqlite import documents as tables_of
from monoskope.m8.log.sqlite.rebuild import LEASE_MS
from monoskope.m8.readmodels.documents import TOKENS, project
from monoskope.testing.logs import ledger
from monoskope.testing.logs.harness import some
from monoskope.testing.parts import wait_until
from monoskope.times import now_ms
from tests.unit.m8_cli.served import ENVIRONMENT, PROGRAM

EVENTS = 120
PHASES = ("building", "exchanging", "dropping")
PATIENCE_S = 60
HOUR_MS = 3_600_000


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A server's folder whose log has events."""
    lay_out(folder=tmp_path / "m8", listen=HostPort.parse("127.0.0.1:0"), names=())
    log = await opened(tmp_path / "m8" / "log.db")
    for number in range(EVENTS):
        await log.append(f"token/{number}", 0, issued(str(number)), actor="m8")
    await log.close()
    return tmp_path / "m8"


def issued(token_id: str) -> list[NewEvent]:
    return [write(events_pb2.TokenIssued(id=token_id, subject="anna", role=events_pb2.ROLE_AUDITOR))]


async def opened(path: Path, *, later_ms: int = 0) -> SqliteLog:
    return await SqliteLog.open(path, clock=lambda: now_ms() + later_ms, projector=project)


@contextmanager
def rebuilding(folder: Path, failpoints: str) -> Iterator[subprocess.Popen[str]]:
    environment = {**ENVIRONMENT, "HOME": str(folder), "MONOSKOPE_FAILPOINTS": failpoints}
    command = [*PROGRAM, "readmodels", "rebuild", "--dir", str(folder)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def is_stopped(process: subprocess.Popen[str]) -> bool:
    return os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOHANG) is not None


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def documents(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT * FROM documents_1 ORDER BY collection, key").fetchall()
        return rows + connection.execute("SELECT * FROM labels_1 ORDER BY collection, label, key").fetchall()


async def from_scratch(log: SqliteLog, path: Path) -> list[tuple[object, ...]]:
    """The documents of a new log into which the events of `log` are projected one by one."""
    file.prepare(path)
    with closing(file.connect(path)) as connection:
        connection.execute("BEGIN")
        for event in await log.read(after=0, limit=10_000):
            tables_of.project(connection, project, [event])
        connection.execute("COMMIT")
    return documents(path)


async def test_others_append_while_a_rebuild_stands_still_at_each_of_its_steps(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By this log's clock the lease of who stands still lasts another hour.
    monkeypatch.setattr(rebuild, "LONGEST_MS", 2 * HOUR_MS)
    whole = tables(folder / "log.db")
    log = await opened(folder / "log.db", later_ms=-HOUR_MS)
    with rebuilding(folder, ",".join(f"m8.rebuild.{phase}=stop" for phase in PHASES)) as process:
        for phase in PHASES:
            wait_until(lambda: is_stopped(process), what=f"the rebuild stands still before {phase}")
            await log.append(f"token/{phase}", 0, issued(phase), actor="m8")
            assert await log.get(TOKENS, phase) is not None
            with pytest.raises(ConflictError, match="another rebuild"):
                await log.rebuild()
            process.send_signal(signal.SIGCONT)
        assert process.communicate(timeout=300)[0] == f"Replayed {EVENTS + 2} events.\n"
    assert documents(folder / "log.db") == await from_scratch(log, tmp_path / "other.db")
    assert tables(folder / "log.db") == whole
    await log.close()


@pytest.mark.parametrize(
    "phase", ["exchanging", *(pytest.param(phase, marks=pytest.mark.soak) for phase in ("building", "dropping"))]
)
async def test_a_rebuild_that_is_killed_leaves_nothing_that_hurts(folder: Path, tmp_path: Path, phase: str) -> None:
    before, whole = documents(folder / "log.db"), tables(folder / "log.db")
    with rebuilding(folder, f"m8.rebuild.{phase}=kill") as process:
        assert process.wait(300) == -signal.SIGKILL
    assert documents(folder / "log.db") == before
    assert tables(folder / "log.db") > whole
    # The next start drops what is left, once the lease has run out.
    log = await opened(folder / "log.db", later_ms=2 * LEASE_MS)
    await log.append("token/a", 0, issued("a"), actor="m8")
    async with asyncio.timeout(PATIENCE_S):
        while tables(folder / "log.db") != whole:
            await log.beat("m8/1", 1)
    assert await log.rebuild() == EVENTS + 1
    assert documents(folder / "log.db") == await from_scratch(log, tmp_path / "other.db")
    await log.close()


async def test_this_m8_says_so_when_a_newer_one_has_changed_the_form(folder: Path) -> None:
    log = await opened(folder / "log.db")
    with closing(sqlite3.connect(folder / "log.db")) as newer:
        newer.execute("ALTER TABLE documents_1 RENAME TO documents_2")
        newer.execute("PRAGMA user_version = 2")
    for failing in (log.get(TOKENS, "a"), log.append("token/a", 0, issued("a"), actor="m8")):
        with pytest.raises(UnavailableError, match=r"newer m8 .* newer version"):
            await failing
    await log.close()
    with pytest.raises(Exception, match="has schema 2, this m8 knows 1"):
        file.prepare(folder / "log.db")


async def test_what_another_process_rebuilt_counts_at_once_in_one_that_remembers_what_was_there(tmp_path: Path) -> None:
    """No event tells of it: a document that was damaged is right again."""
    path = tmp_path / "log.db"
    log = await SqliteLog.open(path, clock=now_ms, projector=ledger)
    await log.append("a", 0, some(), actor="ann")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE documents_1 SET body = x'3530' WHERE collection = 'counts'")
    other = await SqliteLog.open(path, clock=now_ms, projector=ledger)
    await other.append("b", 0, some(), actor="ann")  # so that the first one forgets the count, and reads what is wrong
    await log.append("a", 1, some(), actor="ann")
    assert await log.get("counts", "a") == b"51"
    await other.rebuild()
    await log.append("a", 2, some(), actor="ann")
    await other.close()
    assert await log.get("counts", "a") == b"3"
    await log.close()

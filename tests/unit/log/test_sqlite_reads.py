"""What short reads of the SQLite log see: all that is durable, whoever wrote it, and nothing else."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from monoskope.m8.log.event_log import NewEvent
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.log.sqlite.writer import SqliteWriter
from monoskope.testing.logs import some_time


async def append(log: SqliteLog, stream: str = "a") -> None:
    await log.append(stream, None, [NewEvent("Happened", b"x")], actor="ann")


async def test_a_read_on_the_writers_own_connection_sees_what_another_process_recorded(tmp_path: Path) -> None:
    one = await SqliteLog.open(tmp_path / "log.db", clock=some_time)
    other = await SqliteLog.open(tmp_path / "log.db", clock=some_time)
    await append(one)
    assert one._writer.idle is not None

    await append(other)

    assert await one.head() == 2
    assert [event.version for event in await one.read_stream("a")] == [1, 2]
    await one.close()
    await other.close()


async def test_no_read_sees_an_event_before_it_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = await SqliteLog.open(tmp_path / "log.db", clock=some_time)
    await append(log)
    commit, begun, may_go_on = SqliteWriter._commit, asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def late(writer: SqliteWriter, outcomes: list[object]) -> object:
        loop.call_soon_threadsafe(begun.set)
        may_go_on.wait()
        return commit(writer, outcomes)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(SqliteWriter, "_commit", late)
    appending = asyncio.create_task(append(log))
    await begun.wait()

    assert log._writer.idle is None
    assert await log.head() == 1
    assert len(await log.read_stream("a")) == 1

    may_go_on.set()
    await appending
    assert len(await log.read_stream("a")) == 2
    await log.close()

"""A process that is killed in the middle of appending loses nothing that it acknowledged."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from monoskope.m8.log.event_log import NewEvent
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.testing.logs import Task, ledger, some_time, start


async def killed_after(task: Task, acknowledgements: int) -> list[int]:
    """Kill a writer once it has acknowledged so many events; return all that it acknowledged before it died."""
    writer = await start(task)
    assert writer.stdin is not None
    assert writer.stdout is not None
    writer.stdin.write(b"go\n")
    lines = [await writer.stdout.readline() for _ in range(acknowledgements)]
    writer.kill()
    lines += (await writer.stdout.read()).splitlines(keepends=True)
    assert await writer.wait() == -9
    return [int(line) for line in lines if line.endswith(b"\n")]


@pytest.mark.parametrize("together", [1, 8])
async def test_every_acknowledged_event_outlives_a_kill(tmp_path: Path, together: int) -> None:
    path = tmp_path / "log.db"
    acknowledged: list[int] = []
    for attempt, enough in enumerate([1, 40, 150]):
        task = Task(partial(SqliteLog.open, path), f"victim{attempt}", 800_000, together=together)
        acknowledged += await killed_after(task, enough)
    log = await SqliteLog.open(path, clock=some_time, projector=ledger)
    head = await log.check_chain()
    assert len(acknowledged) >= 191
    assert set(acknowledged) <= set(range(1, head + 1))
    assert len(set(acknowledged)) == len(acknowledged)
    # Nothing half-written either: each event was recorded with sealed bytes of its own.
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM sealed").fetchone() == (head,)
    [event] = await log.append("after", 0, [NewEvent("Happened", b"")], actor="ann")
    assert event.position == head + 1
    await log.close()

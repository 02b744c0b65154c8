"""What short reads of the SQLite log see: all that is durable, whoever wrote it, and nothing else."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from monoskope.m8.log import record
from monoskope.m8.log.event_log import NewEvent, RecordedEvent
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.log.sqlite_writer import SqliteWriter
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


async def test_several_streams_are_read_each_from_its_own_version_on(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "log.db", clock=some_time)
    for stream in ("a", "b", "a", "b", "a"):
        await append(log, stream)

    found = await log.read_streams({"a": 1, "b": 2, "none": 0})

    assert {stream: [event.version for event in events] for stream, events in found.items()} == {
        "a": [2, 3],
        "b": [],
        "none": [],
    }
    assert await log.read_streams({}) == {}
    await log.close()


@pytest.mark.parametrize("others", [0, 1, 600])
async def test_a_stream_is_read_whole_from_every_version_on_whoever_wrote_it_and_however_long_ago(
    tmp_path: Path, others: int
) -> None:
    """`others` events stand between: with many of them the beginning of the stream is no longer kept in memory."""
    one = await SqliteLog.open(tmp_path / "log.db", clock=some_time)
    other = await SqliteLog.open(tmp_path / "log.db", clock=some_time)
    for written, log in enumerate((one, one, other, one, other, other, one, one, one), start=1):
        await append(log, "a")
        for which in (one, other):
            for version in (written, *range(written + 1)):
                found = await which.read_stream("a", after_version=version)
                assert [event.version for event in found] == list(range(version + 1, written + 1))
        await asyncio.gather(*(append(log, "b") for _ in range(others)))
        assert (await other.read_streams({"a": 0, "none": 0}))["none"] == []
    await one.close()
    await other.close()


async def test_what_this_process_wrote_last_is_read_from_memory_only_while_nobody_else_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await SqliteLog.open(tmp_path / "log.db", clock=some_time)
    other = await SqliteLog.open(tmp_path / "log.db", clock=some_time)
    parse, parsed = record.parse, []

    def parsing(position: int, row: bytes) -> RecordedEvent:
        parsed.append(position)
        return parse(position, row)

    assert await one.read_stream("a") == []
    await append(one)
    monkeypatch.setattr(record, "parse", parsing)
    assert [event.position for event in await one.read_stream("a")] == [1]
    assert parsed == []

    await append(other)
    assert [event.position for event in await one.read_stream("a", after_version=1)] == [2]
    assert parsed == [2]
    await one.close()
    await other.close()

"""Two processes on one SQLite file: each sees all that is durable, whichever wrote it, and nothing else."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing, closing
from pathlib import Path

import pytest

from monoskope.m8.log.event_log import ExpectedVersionError, NewEvent, RecordedEvent
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.log.sqlite import group_commit as sqlite_writer
from monoskope.m8.log.sqlite.group_commit import SqliteWriter
from monoskope.testing.logs import some_time

Logs = tuple[SqliteLog, SqliteLog]


@pytest.fixture
async def logs(tmp_path: Path) -> AsyncIterator[Logs]:
    """The same file, opened twice: what each keeps in memory, the other does not know of."""
    one, other = [await SqliteLog.open(tmp_path / "log.db", clock=some_time) for _ in range(2)]
    yield one, other
    await one.close()
    await other.close()


def happened(data: bytes) -> list[NewEvent]:
    return [NewEvent("Happened", data)]


async def test_a_subscriber_sees_both_processes_events_in_their_order(logs: Logs) -> None:
    one, other = logs
    async with aclosing(one.subscribe(after=0)) as events:
        seen: list[RecordedEvent] = []
        for number in range(30):
            await logs[number % 3 == 0].append(f"stream-{number % 4}", None, happened(b"%d" % number), actor="ann")
            if number % 7 == 0:  # it catches up now and then, and lies behind in between
                seen += [await anext(events) for _ in range(number + 1 - len(seen))]
        seen += [await anext(events) for _ in range(30 - len(seen))]
    assert [event.position for event in seen] == list(range(1, 31))
    assert seen == await other.read(after=0, limit=100)


async def test_a_subscriber_who_lies_behind_is_not_left_waiting_for_what_another_process_recorded(logs: Logs) -> None:
    one, other = logs
    async with aclosing(one.subscribe(after=0)) as lagging, aclosing(one.subscribe(after=0)) as quick:
        await one.append("a", None, happened(b"1"), actor="ann")
        assert [(await anext(events)).position for events in (lagging, quick)] == [1, 1]
        await one.append("a", None, happened(b"2"), actor="ann")
        assert (await anext(quick)).position == 2
        await other.append("a", None, happened(b"3"), actor="ann")
        assert (await anext(quick)).position == 3  # by now both were woken for it
        async with asyncio.timeout(60):
            assert [(await anext(lagging)).position for _ in range(2)] == [2, 3]


async def test_one_of_two_processes_wins_a_version(logs: Logs) -> None:
    for version in range(10):
        tries = [log.append("a", version, happened(b""), actor="ann") for log in logs]
        done = await asyncio.gather(*tries, return_exceptions=True)
        assert [isinstance(one, ExpectedVersionError) for one in done].count(True) == 1
    assert await logs[0].check_chain() == 10


async def test_another_processes_transaction_holds_up_appends_and_nothing_else(logs: Logs, tmp_path: Path) -> None:
    log = logs[0]
    await log.append("a", 0, happened(b"1"), actor="ann")
    with closing(sqlite3.connect(tmp_path / "log.db", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(log.append("a", 1, happened(b"2"), actor="ann"))
        for _ in range(50):
            assert len(await log.read_stream("a")) == 1
            assert await log.scan("documents", limit=1) == []
        assert not waiting.done()
        holder.execute("COMMIT")
        [event] = await waiting
    assert event.position == 2


async def test_what_is_appended_in_one_moment_is_one_commit(logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    log = logs[0]
    commits: list[str] = []
    monkeypatch.setattr(sqlite_writer, "failpoint", commits.append)
    for _ in range(2):
        commits.clear()
        tries = [log.append("a", 3 if number == 5 else None, happened(b""), actor="ann") for number in range(20)]
        done = await asyncio.gather(*tries, return_exceptions=True)
        assert [number for number, one in enumerate(done) if isinstance(one, ExpectedVersionError)] == [5]
        assert len(commits) == 1
    assert await log.check_chain() == 38


async def append(log: SqliteLog, stream: str = "a") -> None:
    await log.append(stream, None, [NewEvent("Happened", b"x")], actor="ann")


async def test_a_read_on_the_writers_own_connection_sees_what_another_process_recorded(logs: Logs) -> None:
    one, other = logs
    await append(one)
    assert one._writer.idle is not None

    await append(other)

    assert await one.head() == 2
    assert [event.version for event in await one.read_stream("a")] == [1, 2]


async def test_no_read_sees_an_event_before_it_is_durable(logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    log = logs[0]
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

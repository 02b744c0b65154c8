"""What is acknowledged is on the disk: a kill loses none of it, and a failing disk leaves nothing half-done."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib.util
import resource
import sqlite3
import sys
import weakref
from asyncio.subprocess import PIPE
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from monoskope.errors import UnavailableError
from monoskope.m8.log import group
from monoskope.m8.log.event_log import Change, ExpectedVersionError, Lookup, NewEvent, Put, RecordedEvent
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.log.sqlite import file as sqlite_file
from monoskope.testing.logs import Task, ledger, some_time, start

FULL = 2
PATIENCE_S = 60.0


def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    spec = importlib.util.find_spec(sqlite_file.__name__)
    assert spec is not None
    assert spec.loader is not None
    as_users_have_it = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(as_users_have_it)
    (tmp_path / "log.db").touch()
    with closing(as_users_have_it.connect(tmp_path / "log.db")) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (FULL,)


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


def unwritable(event: RecordedEvent, _lookup: Lookup) -> list[Change]:
    return [Put("things", "\ud800" if event.data == b"bad" else event.stream, b"")]


@pytest.mark.parametrize("is_warm", [True, False])
async def test_an_append_that_breaks_its_group_is_refused_alone(tmp_path: Path, *, is_warm: bool) -> None:
    log = await SqliteLog.open(tmp_path / "log.db", clock=some_time, projector=unwritable)
    if is_warm:
        await log.append("first", 0, [NewEvent("Happened", b"")], actor="ann")
    appends = [log.append(str(n), 0, [NewEvent("Happened", b"bad" if n == 3 else b"")], actor="ann") for n in range(8)]
    *ends, has_lease = await asyncio.gather(*appends, log.lease("a", "b", ttl_ms=1), return_exceptions=True)
    assert [index for index, end in enumerate(ends) if isinstance(end, Exception)] == [3]
    assert has_lease is True
    assert log.write_failure is None
    assert await log.check_chain() == 7 + is_warm
    assert len(await log.scan("things", limit=10)) == 7 + is_warm
    await log.close()


class Mark:
    """What a caller holds, such as a token."""


async def test_a_refused_append_leaves_nothing_of_its_caller_in_a_cycle(tmp_path: Path) -> None:
    """Nothing of m8 looks for garbage by the clock."""
    log, held = await SqliteLog.open(tmp_path / "log.db", clock=some_time, projector=unwritable), []

    async def call(data: bytes, version: int) -> None:
        mark = Mark()
        held.append(weakref.ref(mark))
        await log.append("a", version, [NewEvent("Happened", data)], actor="ann")

    gc.disable()
    try:
        for data, version in ((b"bad", 0), (b"", 7)):
            with contextlib.suppress(UnicodeEncodeError, ExpectedVersionError):
                await call(data, version)
        async with asyncio.timeout(PATIENCE_S):
            while any(one() is not None for one in held):
                await asyncio.sleep(0.001)  # until the writer's thread has put its work away
    finally:
        gc.enable()
    await log.close()


def large(event: RecordedEvent, lookup: Lookup) -> list[Change]:
    if event.data == b"refused":
        assert lookup("things", event.stream) is None
    return [Put("things", event.stream, bytes(100_000))]


async def test_what_is_known_of_the_log_takes_so_many_bytes_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "KEPT_BYTES", 1_000_000)
    log = await SqliteLog.open(tmp_path / "log.db", clock=some_time, projector=large)
    sizes = []
    for data in (b"recorded", b"refused"):
        for number in range(30):
            await asyncio.gather(
                log.append(str(number), None, [NewEvent("Happened", data)], actor="ann"), return_exceptions=True
            )
            sizes.append(sum(len(body or b"") for body in log._recorder._known.documents.values()))
    assert await log.head() == 30
    assert 900_000 < max(sizes) <= 1_100_000
    await log.close()


async def test_the_log_outlives_failing_writes(tmp_path: Path) -> None:
    child = await asyncio.create_subprocess_exec(sys.executable, __file__, str(tmp_path / "log.db"), stdout=PIPE)
    output, _ = await child.communicate()
    assert child.returncode == 0
    refused, recorded = (int(number) for number in output.split())
    assert refused > 0
    assert recorded > 0
    log = await SqliteLog.open(tmp_path / "log.db", clock=some_time)
    assert await log.check_chain() == recorded
    await log.close()


async def append_while_the_limit_grows(path: Path) -> None:
    """Let files grow up to a limit only, so that the operating system fails writes of this process in their middle."""
    log = await SqliteLog.open(path, clock=some_time)
    refused = recorded = 0
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    for kilobytes in range(64, 512, 3):
        resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024, hard))
        try:
            [event] = await log.append("a", recorded, [NewEvent("Happened", bytes(9000))], actor="ann")
        except UnavailableError:
            refused += 1
        else:
            recorded += 1
            assert event.position == recorded
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await log.append("a", recorded, [NewEvent("Happened", b"")], actor="ann")
    assert await log.check_chain() == recorded + 1
    sys.stdout.write(f"{refused} {recorded + 1}")
    await log.close()


if __name__ == "__main__":
    asyncio.run(append_while_the_limit_grows(Path(sys.argv[1])))

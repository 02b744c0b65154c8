"""What the SQLite log does with the file, the disk and other programs, and that no step of a listing scans or sorts."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
import stat
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from monoskope.errors import RefusedError, UnavailableError, UsageError
from monoskope.m8.log.documents import Columns, Where
from monoskope.m8.log.event_log import Lookup, NewEvent, Put, RecordedEvent
from monoskope.m8.log.sqlite import SqliteLog, documents
from monoskope.m8.log.sqlite import file as sqlite_file
from monoskope.m8.log.sqlite.find import find
from monoskope.testing.logs import ledger, some_time


async def opened(path: Path) -> SqliteLog:
    return await SqliteLog.open(path, clock=some_time, projector=ledger)


def files(folder: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


async def append(log: SqliteLog, size: int = 10, stream: str = "a") -> list[RecordedEvent]:
    return await log.append(stream, None, [NewEvent("Happened", os.urandom(size))], actor="ann")


async def test_all_its_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        log = await opened(tmp_path / "log.db")
        await append(log)
        modes = files(tmp_path)
    finally:
        os.umask(before)
    assert modes == {"log.db": 0o600, "log.db-wal": 0o600, "log.db-shm": 0o600}
    await log.close()


async def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    await (await opened(path)).close()
    path.chmod(0o640)
    with pytest.raises(RefusedError, match="0640") as caught:
        await opened(path)
    assert caught.value.fix == f"Run: chmod 600 {path}"


@pytest.mark.parametrize(("name", "said"), [("missing/log.db", "No such file"), ("", "not a regular file")])
async def test_what_is_not_there_or_no_file_is_refused(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        await opened(tmp_path / name)


async def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"dear diary " * 1000)
    path.chmod(0o600)
    with pytest.raises(UnavailableError, match="not a database"):
        await opened(path)
    assert path.read_bytes() == b"dear diary " * 1000


async def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
        connection.commit()
    path.chmod(0o600)
    content = path.read_bytes()
    with pytest.raises(UsageError, match="not an event log"):
        await opened(path)
    assert path.read_bytes() == content
    assert list(files(tmp_path)) == ["other.db"]


async def test_a_log_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    await (await opened(path)).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 9")
    with pytest.raises(UsageError, match="schema 9") as caught:
        await opened(path)
    assert "newer" in caught.value.fix


async def test_an_empty_file_left_by_a_crash_becomes_a_log(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    path.touch(mode=0o600)
    log = await opened(path)
    assert [event.position for event in await append(log)] == [1]
    await log.close()


async def test_many_may_create_it_at_once(tmp_path: Path) -> None:
    logs = await asyncio.gather(*(opened(tmp_path / "log.db") for _ in range(8)))
    await asyncio.gather(*(append(log) for log in logs))
    assert {await log.check_chain() for log in logs} == {8}
    for log in logs:
        await log.close()


async def test_a_path_with_characters_that_mean_something_in_a_uri(tmp_path: Path) -> None:
    path = tmp_path / "a b?mode=memory#c%20.db"
    log = await opened(path)
    await append(log)
    assert path.stat().st_size > 0
    await log.close()


@pytest.mark.parametrize("statement", ["UPDATE events SET stream = 'b'", "DELETE FROM events"])
async def test_a_slip_of_the_hand_does_not_change_the_log(tmp_path: Path, statement: str) -> None:
    log = await opened(tmp_path / "log.db")
    await append(log)
    with (
        closing(sqlite3.connect(tmp_path / "log.db")) as connection,
        pytest.raises(sqlite3.IntegrityError, match="events are never"),
    ):
        connection.execute(statement)
    assert await log.check_chain() == 1
    await log.close()


async def test_erased_sealed_bytes_are_on_the_disk_no_more(tmp_path: Path) -> None:
    log = await opened(tmp_path / "log.db")
    sealed = b"sealed and found again" * 1000
    await log.append("a", None, [NewEvent("Happened", b"")], actor="ann", sealed=sealed)

    def found() -> list[str]:
        return [file.name for file in tmp_path.iterdir() if b"sealed and found again" in file.read_bytes()]

    assert found()  # the search can see them
    await log.erase_sealed([hashlib.sha256(sealed).digest()])
    assert found() == []
    await log.close()


class Limit:
    """Lets the database have so many pages, as a full disk would; 0 for as many as it likes."""

    pages = 0


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Limit:
    limit, connect = Limit(), sqlite_file.connect

    def limited(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
        connection = connect(path, read_only=read_only)
        if limit.pages:
            connection.execute(f"PRAGMA max_page_count = {limit.pages}")
        return connection

    monkeypatch.setattr(sqlite_file, "connect", limited)
    return limit


async def test_a_full_disk_refuses_appends_and_takes_them_again_later(tmp_path: Path, limit: Limit) -> None:
    log = await opened(tmp_path / "log.db")
    limit.pages = 60
    acknowledged = [(await append(log, 2000))[0] for _ in range(20)]
    calls = [append(log, 2000, f"s{number}") for number in range(200)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    with pytest.raises(UnavailableError, match="the disk is full") as caught:
        await append(log, 400_000)
    assert "m8 events erase-sealed" in caught.value.fix
    assert all(isinstance(outcome, list | UnavailableError) for outcome in outcomes)
    assert any(isinstance(outcome, UnavailableError) for outcome in outcomes)
    acknowledged += [outcome[0] for outcome in outcomes if isinstance(outcome, list)]
    head = await log.check_chain()
    recorded = await log.read(after=0, limit=1000)
    assert all(event in recorded for event in acknowledged)
    limit.pages = 0
    [event] = await append(log, 2000)
    assert event.position == head + 1 == await log.check_chain()
    await log.close()


async def test_a_lock_that_is_kept_refuses_and_then_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_MS", 20)
    log = await opened(tmp_path / "log.db")
    with closing(sqlite3.connect(tmp_path / "log.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UnavailableError, match="keeps it locked"):
            await append(log)
        assert await log.head() == 0  # readers are not held up
        other.execute("ROLLBACK")
    assert [event.position for event in await append(log)] == [1]
    await log.close()


async def test_a_transaction_that_is_lost_half_way_does_not_block_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is anything of it taken for recorded: its stream is as it was."""

    def failing(*_: object) -> None:
        raise sqlite3.OperationalError

    log = await opened(tmp_path / "log.db")
    with monkeypatch.context() as patch:
        patch.setattr(documents, "write", failing)
        with pytest.raises(UnavailableError):
            await log.append("a", 0, [NewEvent("Happened", b"")] * 2, actor="ann")
    assert [event.position for event in await log.append("a", 0, [NewEvent("Happened", b"")], actor="ann")] == [1]
    assert await log.check_chain() == 1
    await log.close()


async def test_a_damaged_file_is_reported_as_such(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    log = await opened(path)
    for _ in range(50):
        await append(log, 3000)
    await log.close()
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * (path.stat().st_size - 8192))
    log = await opened(path)
    with pytest.raises(UnavailableError, match="damaged"):
        await log.read(after=0, limit=100)
    with pytest.raises(UnavailableError, match="damaged"):
        await append(log)
    await log.close()


async def test_a_lease_from_before_the_clock_was_set_back_is_free(tmp_path: Path) -> None:
    now_ms = 3_600_000
    log = await SqliteLog.open(tmp_path / "log.db", clock=lambda: now_ms)
    assert await log.lease("timekeeper", "one", ttl_ms=1_000)
    now_ms -= 600_000
    assert await log.lease("timekeeper", "two", ttl_ms=1_000)
    await log.close()


WHERES = {
    "everything": Where(),
    "deleted": Where(deleted=True),
    "a subject": Where(subject="anna"),
    "a day": Where(expiring_before="2030-01-01"),
    "drifted": Where(drifted=True),
    "out of sync": Where(out_of_sync=True),
    "a label": Where(labels=("owner=anna",)),
    "all at once": Where(
        False, "anna", "2030-01-01", drifted=True, out_of_sync=True, labels=("owner=anna", "env=prod")
    ),
}


def listed(event: RecordedEvent, _lookup: Lookup) -> Iterable[Put]:
    """A document that every listing finds; every second one is deleted."""
    is_deleted = event.position % 2 == 0
    labels = ("owner=anna", "env=prod")
    columns = Columns("anna", f"2029-01-{event.position:02}", is_deleted, drifted=True, out_of_sync=True, labels=labels)
    yield Put("secrets", f"vault://{event.position}", b"x", columns)


async def filled(path: Path) -> None:
    log = await SqliteLog.open(path, clock=some_time, projector=listed)
    await log.append("a", 0, [NewEvent("Happened", b"")] * 20, actor="ann")
    await log.close()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plans")
    asyncio.run(filled(folder / "log.db"))
    return folder / "log.db"


@pytest.mark.parametrize("analysed", [False, True])
@pytest.mark.parametrize("where", WHERES.values(), ids=WHERES)
def test_every_step_of_a_listing_is_one_search(path: Path, where: Where, analysed: bool) -> None:
    with closing(sqlite_file.connect(path)) as connection:
        connection.execute("ANALYZE" if analysed else "DROP TABLE IF EXISTS sqlite_stat1")
        asked: list[str] = []
        connection.set_trace_callback(asked.append)
        find(connection, "secrets", where, prefix="", after="", limit=3)
        connection.set_trace_callback(None)
        steps = [query for query in asked if "FROM documents_1" in query or "FROM labels_1" in query]
        assert steps
        for query in steps:
            plan = [detail for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
            assert len(plan) == 1, plan
            assert plan[0].startswith("SEARCH"), plan
            narrows = "expires_on>? AND expires_on<?" if "expires_on >" in query else ("key>?", "key=?")
            assert any(part in plan[0] for part in ([narrows] if isinstance(narrows, str) else narrows)), plan


def test_the_planner_chooses_otherwise_if_it_may(path: Path) -> None:
    """The check above sees it: a condition that rules the index's last part out is sorted afterwards."""
    query = "SELECT key FROM documents_1 WHERE collection = 's' AND deleted = 0 AND expires_on > '' ORDER BY key"
    with closing(sqlite3.connect(path)) as connection:
        plan = [detail for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
    assert len(plan) > 1 or not plan[0].endswith("key>?)")

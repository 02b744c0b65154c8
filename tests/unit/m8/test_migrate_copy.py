"""A copy from one log into another ends whole, or goes on; it mixes nothing, and notices what is added meanwhile."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monoskope.errors import ConflictError
from monoskope.m8.backup.migrate import copy
from monoskope.m8.log.event_log import EventLog, LogTamperedError, NewEvent, RecordedEvent
from monoskope.m8.log.noted import last
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.testing.logs import ledger, some_time

EVENTS = 9


async def opened(path: Path, *, for_import: bool = False) -> SqliteLog:
    return await SqliteLog.open(path, clock=some_time, projector=ledger, for_import=for_import)


async def fill(log: EventLog, name: str, number: int = EVENTS) -> None:
    for version in range(number):
        sealed = f"{name} {version}".encode()
        await log.append(name, version, [NewEvent("Kept", sealed)], actor="ann", sealed=sealed)


@pytest.fixture
async def source(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    log = await opened(tmp_path / "source.db")
    await fill(log, "a")
    yield log
    await log.close()


@pytest.fixture
async def target(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    log = await opened(tmp_path / "target.db", for_import=True)
    yield log
    await log.close()


async def content(log: EventLog) -> list[object]:
    documents = [await log.scan(name, limit=99) for name in ("counts", "kept")]
    return [*await log.read(after=0, limit=99), await log.sealed_after(b"", limit=99), *documents]


async def test_a_copy_that_broke_off_goes_on(
    source: SqliteLog, target: SqliteLog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("monoskope.m8.backup.migrate.READ", 2)
    read, reads = source.read, 0

    async def breaking(*, after: int, limit: int) -> list[RecordedEvent]:
        nonlocal reads
        reads += 1
        if reads == 3:
            raise ConnectionResetError
        return await read(after=after, limit=limit)

    with monkeypatch.context() as patch:
        patch.setattr(source, "read", breaking)
        with pytest.raises(ConnectionResetError):
            await copy(source, target)
    assert 0 < await target.head() < EVENTS
    with pytest.raises(ConflictError, match="import"):
        await opened(tmp_path / "target.db")
    assert await copy(source, target) == await last(source)
    assert await content(target) == await content(source)
    await (await opened(tmp_path / "target.db")).close()


async def test_half_a_copy_of_another_log_is_not_gone_on_with(
    source: SqliteLog, target: SqliteLog, tmp_path: Path
) -> None:
    events = await source.read(after=0, limit=3)
    await target.import_records([event.record for event in events])
    other = await opened(tmp_path / "other.db")
    await fill(other, "b")
    with pytest.raises(ConflictError, match="another log"):
        await copy(other, target)
    await other.close()
    assert await target.head() == 3


async def test_what_is_added_meanwhile_is_noticed(
    source: SqliteLog, target: SqliteLog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sealed_after = source.sealed_after

    async def adding(after: bytes, *, limit: int) -> list[bytes]:
        await source.append("late", None, [NewEvent("Kept", b"late")], actor="ann")
        return await sealed_after(after, limit=limit)

    with monkeypatch.context() as patch:
        patch.setattr(source, "sealed_after", adding)
        with pytest.raises(ConflictError, match="while it was copied"):
            await copy(source, target)
    with pytest.raises(ConflictError, match="import"):
        await opened(tmp_path / "target.db")
    await copy(source, target)
    assert await content(target) == await content(source)


async def test_what_was_erased_since_the_copy_broke_off_does_not_come_back(
    source: SqliteLog, target: SqliteLog
) -> None:
    kept = await source.sealed_after(b"", limit=99)
    await target.import_records([event.record for event in await source.read(after=0, limit=5)], kept)
    await source.erase_sealed([hashlib.sha256(kept[0]).digest()])
    await copy(source, target)
    assert await target.sealed_after(b"", limit=99) == kept[1:]


async def test_a_copy_of_a_log_whose_chain_does_not_hold_stays_unfinished(
    source: SqliteLog, target: SqliteLog, tmp_path: Path
) -> None:
    """The columns of one row were changed: m8 must serve neither log as if it had been checked."""
    with contextlib.closing(sqlite3.connect(tmp_path / "source.db")) as connection:
        connection.executescript("DROP TRIGGER events_stay; UPDATE events SET hash = x'00' WHERE position = 4")
    with pytest.raises(LogTamperedError, match="position 4"):
        await copy(source, target)
    with pytest.raises(ConflictError, match="import"):
        await opened(tmp_path / "target.db")

"""The disk of the event log is full: m8 is not ready until erasing made room; what is erased, and what never is."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import resource
import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import views_pb2
from monoskope.errors import UnavailableError, UsageError
from monoskope.m8.cli.events import erasable
from monoskope.m8.log.event_log import MAX_DATA, Change, Lookup, NewEvent, Put, RecordedEvent
from monoskope.m8.log.folder import Noted
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.log.sqlite.disk import ROOM, SIZE, Reserve
from monoskope.m8.readmodels.documents import project
from monoskope.m8.readmodels.uploads import ENDED
from monoskope.m8.settings import ServerSettings, load
from monoskope.testing.parts import wait_until
from tests.support.disk import fill, mounted
from tests.support.m8_command import m8
from tests.unit.m8_cli.sealed_log import document
from tests.unit.m8_cli.served import PATIENCE_S, administrator, laid_out, served

SEALED = 6
"""How many secrets of a megabyte are in the log."""


def test_m8_is_not_ready_from_a_write_that_failed_until_one_works(tmp_path: Path) -> None:
    with served(laid_out(tmp_path / "m8")) as server:
        server.until_ready()
        limits = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        server.until_ready(is_ready=False)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limits)
        server.until_ready()
        said = [json.loads(line)["event"] for line in server.stop().splitlines()]
    assert said.index("the event log cannot be written") < said.index("the event log can be written again")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with room for the log, its reserve and little else."""
    with mounted(tmp_path / "disk", ROOM + SIZE + (SEALED + 2) * 1_048_576) as disk:
        yield disk


async def seal(settings: ServerSettings) -> None:
    """Record requests that have ended, each with a sealed megabyte."""
    log = await SqliteLog.open(settings.event_log, clock=lambda: 1, projector=document)
    for _ in range(SEALED):
        sealed = os.urandom(1_048_576)
        digest = hashlib.sha256(sealed).digest()
        view = views_pb2.SecretUpload(state=views_pb2.UPLOAD_STATE_ENDED, changed_at_ms=1, sealed_sha256=digest)
        event = NewEvent("x", view.SerializeToString())
        await log.append(f"{digest.hex()}", 0, [event], actor="m8", sealed=sealed)
    await log.close()


def cut(settings: ServerSettings) -> None:
    """Empty the write-ahead log, so that the next write needs space of the disk."""
    with closing(sqlite3.connect(settings.event_log, timeout=PATIENCE_S)) as connection:
        assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0


def erase(settings: ServerSettings) -> tuple[str, str]:
    ended = m8("events", "--dir", str(settings.folder), "erase-sealed", home=settings.folder.parent)
    return ended.stdout, ended.stderr


def test_erasing_works_on_a_full_disk_and_makes_m8_ready_again(disk: Path) -> None:
    settings = laid_out(disk / "m8")
    asyncio.run(seal(settings))
    assert Reserve(settings.event_log).make()
    with served(settings) as server:
        server.until_ready()
        cut(settings)
        junk = fill(disk)
        server.until_ready(is_ready=False)
        size = settings.event_log.stat().st_size
        said, warned = erase(settings)
        assert said == f"Erased {SEALED} sealed secrets.\n"
        assert "reserve" in warned
        # The space is the log's again, and the disk's.
        server.until_ready()
        assert settings.event_log.stat().st_size < size - (SEALED - 1) * 1_048_576
        assert not Reserve(settings.event_log).is_made
        junk.unlink()
        asyncio.run(seal(settings))
        assert erase(settings) == (f"Erased {SEALED} sealed secrets.\n", "")
        assert Reserve(settings.event_log).is_made
    assert (
        f"The log holds: {2 * SEALED} events"
        in m8("events", "--dir", str(settings.folder), "verify", home=disk, env={}).stdout
    )


async def test_a_disk_with_room_for_little_is_full_until_it_has_room_for_the_largest_event(disk: Path) -> None:
    """And what shows that takes hardly any of the room in which sealed bytes are erased meanwhile."""
    log = await SqliteLog.open(disk / "log.db", clock=lambda: 1, projector=document)
    await log.append("a", 0, [NewEvent("x", b"")], actor="m8")
    junk = fill(disk)
    os.truncate(junk, junk.stat().st_size - 1_048_576)
    await log.append("a", 1, [NewEvent("x", b"")], actor="m8")
    with pytest.raises(UnavailableError, match="the disk is full"):
        await log.try_write(os.urandom(MAX_DATA))
    os.truncate(junk, junk.stat().st_size - 2 * MAX_DATA)
    before = log_bytes(disk)
    await log.try_write(os.urandom(MAX_DATA))
    assert log_bytes(disk) - before < 1_048_576
    await log.close()


def log_bytes(disk: Path) -> int:
    """How much of the disk the log takes."""
    return sum(path.stat().st_size for path in disk.glob("log.db*"))


def test_erasing_works_on_a_full_disk_when_m8_cannot_even_start(disk: Path) -> None:
    settings = laid_out(disk / "m8")
    asyncio.run(seal(settings))
    assert Reserve(settings.event_log).make()
    fill(disk)
    m8("token", "list", "--dir", str(settings.folder), home=disk, code=7)
    assert erase(settings)[0] == f"Erased {SEALED} sealed secrets.\n"
    m8("token", "list", "--dir", str(settings.folder), home=disk)


def test_an_m8_that_may_open_no_more_files_says_that_and_speaks_of_no_other_log(tmp_path: Path) -> None:
    """`log.checkpoint` cannot be read then, which says nothing of the log."""
    said: list[dict[str, str]] = []
    settings = laid_out(tmp_path / "m8")
    with served(settings) as server:
        administrator(settings)
        # So it has read the log, and what was signed, for which it keeps files open.
        wait_until((settings.folder / "log.checkpoint").exists, what="m8 has signed a checkpoint")
        limits = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
        while not said or "is not compared" not in said[-1]["event"]:
            said.append(json.loads(server.line()))
            assert "not the one that was signed" not in said[-1]["event"]
        assert "Too many open files" in said[-1]["message"]
        assert "LimitNOFILE" in said[-1]["message"]
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, limits)
        while "is compared" not in said[-1]["event"]:
            said.append(json.loads(server.line()))
            assert "not the one that was signed" not in said[-1]["event"]


SECRET = b"sealed long ago"
IS_ENDED, WRITING = views_pb2.UPLOAD_STATE_ENDED, views_pb2.UPLOAD_STATE_WRITING


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    opened = await SqliteLog.open(tmp_path / "log.db", clock=lambda: 0, projector=document)
    yield opened
    await opened.close()


async def upload(log: SqliteLog, name: str, sealed: bytes, state: views_pb2.UploadState, changed_at_ms: int) -> bytes:
    digest = hashlib.sha256(sealed).digest() if sealed else b""
    view = views_pb2.SecretUpload(state=state, changed_at_ms=changed_at_ms, sealed_sha256=digest)
    await log.append(name, 0, [NewEvent("x", view.SerializeToString())], actor="m8", sealed=sealed or None)
    return digest


async def test_only_requests_that_ended_long_enough_ago(log: SqliteLog) -> None:
    old = await upload(log, "old", b"a", IS_ENDED, 10)
    await upload(log, "young", b"b", IS_ENDED, 11)
    await upload(log, "writing", b"c", WRITING, 5)
    await upload(log, "refused before it was sealed", b"", IS_ENDED, 5)
    assert await erasable(log, 10) == {old}


async def test_bytes_that_another_request_still_needs_stay(log: SqliteLog) -> None:
    await upload(log, "ended", b"same", IS_ENDED, 1)
    await upload(log, "sent again", b"same", WRITING, 2)
    assert await erasable(log, 10) == set()


async def test_more_requests_than_a_page_are_all_found(log: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monoskope.m8.log.event_log.SCAN_PAGE", 2)
    digests = {await upload(log, str(number), str(number).encode(), IS_ENDED, 1) for number in range(5)}
    assert await erasable(log, 10) == digests
    assert await log.erase_sealed(digests) == 5
    assert await log.sealed(next(iter(digests))) is None
    assert await log.check_chain() == 5


@pytest.fixture
def settings(tmp_path: Path) -> ServerSettings:
    return laid_out(tmp_path / "m8", toml="erase_sealed_after_days = 1\n[timings]\ntick = 0.1\n")


def ended(event: RecordedEvent, _lookup: Lookup) -> Iterable[Change]:
    return [Put(ENDED, f"{event.recorded_at_ms:013}\n{event.data.hex()}", b"")]


async def record(settings: ServerSettings) -> bytes:
    log = await SqliteLog.open(settings.event_log, clock=lambda: 1, projector=ended)
    digest = hashlib.sha256(SECRET).digest()
    recorded = await log.append("x", 0, [NewEvent("x", digest)], actor="m8", sealed=SECRET)
    await log.close()
    return recorded[-1].hash


async def until_erased(settings: ServerSettings) -> None:
    log = await SqliteLog.open(settings.event_log, clock=lambda: 1, projector=project)
    async with asyncio.timeout(PATIENCE_S):
        while await log.sealed(hashlib.sha256(SECRET).digest()) is not None:
            await asyncio.sleep(0.02)
    await log.close()


def test_it_erases_what_is_old_and_notes_the_last_position(settings: ServerSettings) -> None:
    last = asyncio.run(record(settings))
    with served(settings) as server:
        asyncio.run(until_erased(settings))
        server.stop()
    found = Noted.find(settings.folder)
    assert found is not None
    assert (found.position, found.hash) == (1, last)
    assert "holds: 1 event," in m8("events", "--dir", str(settings.folder), "verify", home=settings.folder).stdout


def test_a_database_that_ends_before_what_was_noted_is_noticed(settings: ServerSettings) -> None:
    asyncio.run(record(settings))
    older = settings.event_log.read_bytes()
    home = settings.folder
    administrator(settings)
    with served(settings) as server:
        assert "the event log lacks what was noted" not in server.said_before + server.stop()
    for path in home.glob("log.db*"):
        path.unlink()
    settings.event_log.write_bytes(older)
    settings.event_log.chmod(0o600)
    (home / "log-id").unlink()
    with served(settings) as server:
        assert "the event log lacks what was noted" in server.said_before
        server.stop()
    # A restore still shows that the database lacks an event.
    found = Noted.find(home)
    assert found is not None
    assert found.position == 2


@pytest.mark.parametrize("days", ["-1", "36501", '"30"'])
def test_a_number_of_days_that_is_none_is_refused(settings: ServerSettings, days: str) -> None:
    toml = settings.folder / "m8.toml"
    toml.write_text(toml.read_text().replace("erase_sealed_after_days = 1", f"erase_sealed_after_days = {days}"))
    with pytest.raises(UsageError, match="erase_sealed_after_days"):
        load(settings.folder)

"""The disk of the event log is full: m8 says that it is not ready, erasing still works, and then m8 is ready again.

Or m8 may open no more files.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import views_pb2
from monoskope.errors import UnavailableError
from monoskope.m8.log.event_log import MAX_DATA, NewEvent
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.log.sqlite.disk import ROOM, SIZE, Reserve
from monoskope.m8.settings import ServerSettings
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


def test_what_is_erased_is_on_the_disk_no_more(tmp_path: Path) -> None:
    settings = laid_out(tmp_path / "m8")

    async def work() -> None:
        log = await SqliteLog.open(settings.event_log, clock=lambda: 1, projector=document)
        sealed = [os.urandom(1_500_000) for _ in range(3)]
        for number, one in enumerate(sealed):
            await log.append(f"new {number}", 0, [NewEvent("x", b"")], actor="m8", sealed=one)
        digests = [hashlib.sha256(one).digest() for one in sealed]
        assert await log.erase_sealed([*digests[:2], bytes(32)]) == 2
        assert await log.sealed(digests[2]) == sealed[2]
        # The middle of each: a page's size further on, where no other one begins with the same bytes.
        held = b"".join(path.read_bytes() for path in settings.folder.glob("log.db*"))
        await log.close()
        assert not any(one[at : at + 64] in held for one in sealed[:2] for at in range(8_192, len(one), 700_000))

    asyncio.run(work())


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

"""Erasing takes sealed bytes of requests that have ended, and no others; a server may do it by itself."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import views_pb2
from monoskope.errors import UsageError
from monoskope.m8.cli.events import erasable
from monoskope.m8.log.event_log import Change, Lookup, NewEvent, Put, RecordedEvent
from monoskope.m8.log.noted import find
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.readmodels.documents import project
from monoskope.m8.readmodels.uploads import ENDED
from monoskope.m8.settings import ServerSettings, load
from tests.support.m8_command import m8
from tests.unit.m8_cli.sealed_log import document
from tests.unit.m8_cli.served import administrator, laid_out, served

SEALED = b"sealed long ago"
PATIENCE_S = 60
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


async def fill(settings: ServerSettings) -> bytes:
    log = await SqliteLog.open(settings.event_log, clock=lambda: 1, projector=ended)
    digest = hashlib.sha256(SEALED).digest()
    recorded = await log.append("x", 0, [NewEvent("x", digest)], actor="m8", sealed=SEALED)
    await log.close()
    return recorded[-1].hash


async def until_erased(settings: ServerSettings) -> None:
    log = await SqliteLog.open(settings.event_log, clock=lambda: 1, projector=project)
    async with asyncio.timeout(PATIENCE_S):
        while await log.sealed(hashlib.sha256(SEALED).digest()) is not None:
            await asyncio.sleep(0.02)
    await log.close()


def test_it_erases_what_is_old_and_notes_the_last_position(settings: ServerSettings) -> None:
    last = asyncio.run(fill(settings))
    with served(settings) as server:
        asyncio.run(until_erased(settings))
        server.stop()
    found = find(settings.folder)
    assert found is not None
    assert (found.position, found.hash) == (1, last)
    assert "holds: 1 event," in m8("events", "--dir", str(settings.folder), "verify", home=settings.folder).stdout


def test_a_database_that_ends_before_what_was_noted_is_noticed(settings: ServerSettings) -> None:
    asyncio.run(fill(settings))
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
    found = find(home)
    assert found is not None
    assert found.position == 2


@pytest.mark.parametrize("days", ["-1", "36501", '"30"'])
def test_a_number_of_days_that_is_none_is_refused(settings: ServerSettings, days: str) -> None:
    toml = settings.folder / "m8.toml"
    toml.write_text(toml.read_text().replace("erase_sealed_after_days = 1", f"erase_sealed_after_days = {days}"))
    with pytest.raises(UsageError, match="erase_sealed_after_days"):
        load(settings.folder)

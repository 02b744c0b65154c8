"""Erasing sealed bytes takes those of requests that have ended, and no others."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import views_pb2
from monoskope.m8.cli.events import erasable
from monoskope.m8.log.event_log import NewEvent
from monoskope.m8.log.sqlite import SqliteLog
from tests.unit.m8_cli.sealed_log import document

ENDED, WRITING = views_pb2.UPLOAD_STATE_ENDED, views_pb2.UPLOAD_STATE_WRITING


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
    old = await upload(log, "old", b"a", ENDED, 10)
    await upload(log, "young", b"b", ENDED, 11)
    await upload(log, "writing", b"c", WRITING, 5)
    await upload(log, "refused before it was sealed", b"", ENDED, 5)
    assert await erasable(log, 10) == {old}


async def test_bytes_that_another_request_still_needs_stay(log: SqliteLog) -> None:
    await upload(log, "ended", b"same", ENDED, 1)
    await upload(log, "sent again", b"same", WRITING, 2)
    assert await erasable(log, 10) == set()


async def test_more_requests_than_a_page_are_all_found(log: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monoskope.m8.log.event_log.SCAN_PAGE", 2)
    digests = {await upload(log, str(number), str(number).encode(), ENDED, 1) for number in range(5)}
    assert await erasable(log, 10) == digests
    assert await log.erase_sealed(digests) == 5
    assert await log.sealed(next(iter(digests))) is None
    assert await log.check_chain() == 5

"""Sealed bytes of requests that ended long ago go by themselves. Each request is looked at once. The chain holds."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest

from monoskope.m8.background import schedules
from monoskope.m8.background.schedules import PROGRESS, Retention
from monoskope.m8.background.timekeeper import Timekeeper
from monoskope.m8.domain.upload import Upload
from monoskope.m8.limits.settings import ServerLimits
from monoskope.m8.log.event_log import Change, Lookup, NewEvent, Put, RecordedEvent
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.readmodels.uploads import ENDED, OPEN_UPLOADS, body_of
from monoskope.m8.service.app import App
from tests.support.m8_world import a_world
from tests.support.vectors import a_request

DAY_MS = 86_400_000


def index(event: RecordedEvent, _lookup: Lookup) -> Iterable[Change]:
    """A request that ended when it was recorded, or one that is open."""
    if event.type == "Open":
        upload = Upload(request=a_request(), sealed_sha256=event.data)
        return [Put(OPEN_UPLOADS, event.stream, body_of(upload))]
    return [Put(ENDED, f"{event.recorded_at_ms:013}\n{event.data.hex()}", b"")]


class Clock:
    def __init__(self) -> None:
        self.ms = 20_000 * DAY_MS

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def log(tmp_path: Path, clock: Clock) -> AsyncIterator[SqliteLog]:
    opened = await SqliteLog.open(tmp_path / "log.db", clock=clock, projector=index)
    yield opened
    await opened.close()


@pytest.fixture
def app(log: SqliteLog, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> App:
    monkeypatch.setattr(schedules, "PAUSE_S", 0)
    return App(log=log, authenticate=never, names=(), clock=clock, audience="m8", version="0")


async def never(_token: str) -> Any:
    raise AssertionError


async def seal(log: SqliteLog, sealed: bytes, kind: str = "Ended") -> bytes:
    digest = hashlib.sha256(sealed).digest()
    await log.append(f"{kind} {os.urandom(8).hex()}", 0, [NewEvent(kind, digest)], actor="m8", sealed=sealed)
    return digest


async def test_only_what_ended_long_enough_ago_is_erased(app: App, log: SqliteLog, clock: Clock) -> None:
    old = await seal(log, b"old")
    again = await seal(log, b"sent again")
    clock.ms += DAY_MS
    young = await seal(log, b"young")
    await seal(log, b"sent again", "Open")
    clock.ms += 29 * DAY_MS - 1
    assert await Retention(app, 30).round() == 0
    clock.ms += 1
    assert await Retention(app, 30).round() == 1
    assert await log.sealed(old) is None
    assert await log.sealed(young) == b"young"
    assert await log.sealed(again) == b"sent again"
    assert await log.check_chain() == 4


async def test_each_request_is_looked_at_once_also_by_the_next_process(
    app: App, log: SqliteLog, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedules, "PAGE", 2)
    seen: list[str] = []
    scan = log.scan

    async def counted(collection: str, *, prefix: str = "", after: str = "", limit: int) -> list[tuple[str, bytes]]:
        found = await scan(collection, prefix=prefix, after=after, limit=limit)
        seen.extend(key for key, _ in found if collection == ENDED)
        return found

    monkeypatch.setattr(log, "scan", counted)
    for number in range(5):
        clock.ms += 1
        await seal(log, b"%d" % number)
    clock.ms += DAY_MS
    assert await Retention(app, 1).round() == 5
    assert len(seen) == 5
    await seal(log, b"later")
    clock.ms += DAY_MS
    seen.clear()
    assert await Retention(app, 1).round() == 1
    assert len(seen) == 1
    assert PROGRESS in await log.beat_notes()


async def test_how_far_it_came_is_not_forgotten_as_the_heartbeat_of_a_reactor_is(tmp_path: Path) -> None:
    async with a_world(tmp_path, limits=ServerLimits(tick_s=3_600)) as world:
        await world.app.log.beat(PROGRESS, 1, b"so far")
        await world.app.log.beat("vault/gone", 1)
        timekeeper = Timekeeper(world.app)
        for _ in range(12):
            world.clock.pass_s(1)
            await timekeeper.tick()
        assert "vault/gone" not in await world.app.log.beats()
        assert (await world.app.log.beat_notes())[PROGRESS] == b"so far"


async def test_the_file_does_not_grow_with_what_is_put_and_erased(
    app: App, log: SqliteLog, clock: Clock, tmp_path: Path
) -> None:
    sizes = []
    for _ in range(50):
        for _ in range(2):
            clock.ms += 1
            await seal(log, os.urandom(65_536))
        clock.ms += DAY_MS
        assert await Retention(app, 1).round() == 2
        sizes.append(sum(path.stat().st_size for path in tmp_path.glob("log.db*") if "reserve" not in path.name))
    # 6 MB were put. What stays is 100 records and their documents.
    assert sizes[-1] < sizes[4] + 300_000
    assert await log.check_chain() == 100


async def test_a_clock_that_was_ahead_for_days_keeps_nothing_from_being_erased_later(
    app: App, log: SqliteLog, clock: Clock
) -> None:
    await seal(log, b"before")
    clock.ms += 365 * DAY_MS
    await seal(log, b"ahead")
    clock.ms += 2 * DAY_MS
    assert await Retention(app, 1).round() == 2
    clock.ms -= 367 * DAY_MS
    digest = await seal(log, b"after")
    clock.ms += DAY_MS
    assert await Retention(app, 1).round() == 1
    assert await log.sealed(digest) is None

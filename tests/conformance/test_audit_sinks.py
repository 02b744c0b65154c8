"""Each sink takes every event once or more, in order, whatever dies and begins again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from monoskope.m8.audit import exporters
from monoskope.m8.audit.auditing import auditing
from monoskope.m8.audit.exporters import cursor_name
from monoskope.m8.limits.settings import ServerLimits
from monoskope.m8.log.event_log import GENESIS_HASH, NewEvent
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.service.app import App
from monoskope.m8.sink_settings import EVENTS, SinkSettings
from tests.support.audit_receivers import RECEIVERS, Receiver, Rsyslog

LOG_ID = "0123456789abcdef" * 2
PATIENCE_S = 60
BATCH = 20
ODD = 'bob "]\\\n<13>1 evil\r\x1b[2J\x7f é\u202e'
"""A subject that would be taken for more than one line, and would change a terminal."""


@pytest.fixture(params=RECEIVERS)
def receiver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Receiver]:
    made = RECEIVERS[request.param](tmp_path)
    made.start()
    yield made
    made.die()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporters, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(exporters, "LONGEST_PAUSE_S", 0.05)
    monkeypatch.setattr(exporters, "BATCH", BATCH)
    monkeypatch.setattr(exporters, "PAUSE_S", 0)


async def never(_token: str) -> Any:
    raise AssertionError


class Process:
    """An m8 process that exports, without its doors."""

    def __init__(self, app: App, log: SqliteLog) -> None:
        self.app = app
        self.log = log

    async def record(self, count: int, *, actor: str = "alice") -> None:
        for _ in range(count):
            await self.log.append("stream", None, [NewEvent("Happened", b"event")], actor=actor)

    async def until_taken(self) -> None:
        """Wait until the sink has taken the whole log."""
        head = await self.log.head()

        async def taken() -> bool:
            cursor = await self.log.cursor(cursor_name("sink"))
            return cursor is not None and cursor.position == head

        await eventually(taken)


async def eventually(done: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await done():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def a_process(folder: Path, receiver: Receiver) -> AsyncIterator[Process]:
    log = await SqliteLog.open(folder / "log.db", clock=lambda: 1_700_000_000_000)
    app = App(
        log=log,
        authenticate=never,
        names=(),
        clock=lambda: 1_700_000_000_000,
        audience="m8",
        version="0",
        limits=ServerLimits(tick_s=0.01),
    )
    await app.feed.begin()
    settings = [SinkSettings("sink", frozenset({EVENTS}), receiver.target)]
    async with auditing(app, settings, log_id=LOG_ID) as works:
        tasks = [asyncio.create_task(work()) for work in (app.feed.run, *works)]
        try:
            yield Process(app, log)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await log.close()


def check(lines: Sequence[dict[str, Any]], count: int) -> None:
    """Every event is there; the first time that each comes is in order; the chain leads from each to the next."""
    seen: dict[int, dict[str, Any]] = {}
    for line in lines:
        assert seen.setdefault(line["position"], line) == line
    assert list(seen) == list(range(1, count + 1))
    before = GENESIS_HASH.hex()
    for line in seen.values():
        assert (line["kind"], line["log"], line["previous_hash"]) == ("event", LOG_ID, before)
        before = line["hash"]


def arrived(receiver: Receiver) -> int:
    return len({line["position"] for line in receiver.lines()})


async def test_nothing_is_lost_and_all_is_in_order_over_a_dead_receiver_and_a_restart(
    receiver: Receiver, tmp_path: Path
) -> None:
    async with a_process(tmp_path, receiver) as process:
        await process.record(3 * BATCH)
        await process.until_taken()
        # A syslog server says that it has read the lines, not that they are on its disk.
        await eventually(lambda: answer(arrived(receiver) == 3 * BATCH))
        await asyncio.to_thread(receiver.die)
        await process.record(BATCH + 1)
        await eventually(lambda: answer(process.app.meters.registry.get_sample_value("m8_audit_failing_seconds", SINK)))
        assert process.app.meters.registry.get_sample_value("m8_audit_lag_events", SINK)
        await asyncio.to_thread(receiver.start)
        await process.until_taken()
        assert process.app.meters.registry.get_sample_value("m8_audit_failing_seconds", SINK) == 0
        await eventually(lambda: answer(arrived(receiver) == 4 * BATCH + 1))
        await asyncio.to_thread(receiver.die)
        await process.record(BATCH)
    await asyncio.to_thread(receiver.start)
    async with a_process(tmp_path, receiver) as process:
        await process.record(1, actor=ODD)
        await process.until_taken()
    total = 5 * BATCH + 2
    await eventually(lambda: answer(arrived(receiver) == total))
    check(receiver.lines(), total)
    assert receiver.lines()[-1]["actor"] == ODD
    if isinstance(receiver, Rsyslog):
        assert all(raw.startswith("<110>1 2023-11-14T22:13:20.000Z ") for raw in receiver.raw())
        assert f' m8 - events [m8@32473 kind="events" position="{total}"] {{' in receiver.raw()[-1]


SINK = {"sink": "sink"}


async def answer(found: Any) -> Any:
    return found

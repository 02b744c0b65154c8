"""What must not run beside an m8 finds out whether one serves the log, whatever its clock says."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monoskope.errors import ConflictError
from monoskope.m8.background.presence import PREFIX
from monoskope.m8.backup.restore import check_stopped
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.testing.logs import some_time

TICK_S = 0.001
HOUR_MS = 3_600_000


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    opened = await SqliteLog.open(tmp_path / "log.db", clock=some_time)
    yield opened
    await opened.close()


@pytest.mark.parametrize("off_ms", [-HOUR_MS, 0, HOUR_MS])
async def test_an_m8_whose_clock_is_wrong_is_seen(log: SqliteLog, off_ms: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs on another machine; a copy of the log that it writes to would miss what it acknowledges."""
    beats, times = log.beats, itertools.count(some_time() + off_ms)

    async def beats_of_one_that_serves() -> dict[str, int]:
        await log.beat(f"{PREFIX}one", next(times))
        return await beats()

    with monkeypatch.context() as serving:
        serving.setattr(log, "beats", beats_of_one_that_serves)
        with pytest.raises(ConflictError, match="an m8 serves this event log now"):
            await check_stopped(log, tick_s=TICK_S)
    # What a killed one left behind is no m8.
    await check_stopped(log, tick_s=TICK_S)

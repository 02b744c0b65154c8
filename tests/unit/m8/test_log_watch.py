"""m8 is not ready from the moment the log fails until a write works: it says each of them once."""

from __future__ import annotations

import pytest

from monoskope.errors import UnavailableError
from monoskope.m8.background.watches import LogWatch
from tests.support.log_lines import capture_logs
from tests.support.m8_world import World

BROKEN = "the event log cannot be written"
WORKS = "the event log can be written again"


async def test_a_database_that_is_gone_is_one_outage_although_nobody_appends(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No write fails meanwhile, as in a process that only answers queries."""
    told: list[bool] = []

    async def tell(*, is_ready: bool) -> None:
        told.append(is_ready)

    async def gone(*_: object) -> int:
        raise UnavailableError("the database does not answer.", fix="Start it.")

    watch = LogWatch(world.app, tell)
    for _ in range(2):  # The next outage is told, too, and nothing in between.
        told.clear()
        with monkeypatch.context() as patched, capture_logs() as lines:
            patched.setattr(type(world.app.log), "head", gone)
            patched.setattr(type(world.app.log), "beat", gone)
            for _ in range(3):
                await watch.look()
                assert not world.app.state.log_is_writable
        assert told == [False]
        assert [line["event"] for line in lines] == [BROKEN]
        with capture_logs() as lines:
            for _ in range(2):
                await watch.look()
        assert told == [False, True]
        assert world.app.state.log_is_writable
        assert [line["event"] for line in lines] == [WORKS]

"""What m8 does about its own small needs while its disk is full: it goes on, and does not fill the rest with words."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from monoskope import operations as listener
from monoskope.errors import UnavailableError, UsageError
from monoskope.m8.background.timekeeper import Timekeeper
from tests.support.log_lines import capture_logs
from tests.support.m8_world import a_world


def test_without_room_for_the_address_file_m8_serves_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object, **__: object) -> None:
        raise UsageError(f"{path} cannot be written: No space left on device.", fix="Check the folder.")

    monkeypatch.setattr(listener, "write_private", full)
    with capture_logs() as lines, listener.announced_in(tmp_path / "address", "127.0.0.1:7443"):
        pass
    assert [line["event"] for line in lines] == ["the address file is not written"]


async def test_a_log_that_does_not_answer_is_said_once_until_it_answers_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path) as world:
        keeper = Timekeeper(world.app)
    ticks = iter([*[UnavailableError("full.")] * 3, None, UnavailableError("full.")])

    async def tick() -> None:
        error = next(ticks, asyncio.CancelledError())
        if error is not None:
            raise error

    async def soon(_: float) -> None:
        return

    monkeypatch.setattr(keeper, "tick", tick)
    monkeypatch.setattr("monoskope.m8.background.timekeeper.asyncio.sleep", soon)
    with capture_logs() as lines, pytest.raises(asyncio.CancelledError):
        await keeper.run()
    assert [line["event"] for line in lines] == ["the timekeeper waits"] * 2

"""The operating log's file is opened again when it is asked for, and nothing is lost when that fails."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from monoskope import operating_log

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGHUP")


def lines(file: Path) -> list[str]:
    return [json.loads(line)["event"] for line in file.read_text().splitlines()]


async def test_a_file_that_was_moved_away_is_followed_by_a_new_one(tmp_path: Path) -> None:
    file, moved = tmp_path / "m8.log", tmp_path / "m8.log.1"
    with operating_log.written_to(file) as reopen, operating_log.reopened_on_hangup(reopen, file):
        operating_log.get().info("one")
        file.rename(moved)
        operating_log.get().info("two")
        await until(file.exists)
        operating_log.get().info("three")
    assert (lines(moved), lines(file)) == (["one", "two"], ["three"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL


async def until(done: Callable[[], bool]) -> None:
    os.kill(os.getpid(), signal.SIGHUP)
    async with asyncio.timeout(30):
        while not done():
            await asyncio.sleep(0)


async def test_a_folder_that_takes_no_file_keeps_the_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    file = folder / "m8.log"
    with operating_log.written_to(file) as reopen:
        folder.rename(tmp_path / "moved")
        reopen()
        operating_log.get().info("still here")
    found = (tmp_path / "moved" / "m8.log").read_text().splitlines()
    assert [json.loads(line)["event"] for line in found] == ["the log file is not opened again", "still here"]


async def test_without_a_file_a_hangup_ends_the_process_as_before() -> None:
    with operating_log.written_to(None) as reopen, operating_log.reopened_on_hangup(reopen, None):
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL

"""Audit lines in a file: for m8 alone, whole, rotated, and not lost on a disk that is full."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from monoskope.errors import Error
from monoskope.m8.audit.lines import Batch, DeliveryError, Line
from monoskope.m8.audit.sinks import FileSink
from monoskope.m8.sink_settings import FileTarget


def batch(*positions: int) -> Batch:
    return Batch(tuple(Line("events", 1, position, b'{"position":%d}' % position) for position in positions))


def positions(path: Path) -> list[int]:
    return [json.loads(line)["position"] for line in path.read_bytes().splitlines()]


def sink(path: Path, *, max_bytes: int = 0, keep: int = 2) -> FileSink:
    return FileSink(FileTarget(path, max_bytes, keep))


async def test_the_file_is_for_m8_alone_and_grows(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    to = sink(path)
    to.check()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    await to.deliver(batch(1, 2))
    await to.deliver(batch(3))
    assert positions(path) == [1, 2, 3]
    await to.close()


async def test_a_file_that_others_can_read_is_refused_at_the_start_and_later(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.touch(0o644)
    path.chmod(0o644)
    to = sink(path)
    with pytest.raises(Error, match="others than its owner"):
        to.check()
    with pytest.raises(DeliveryError, match="others than its owner"):
        await to.deliver(batch(1))
    assert path.read_bytes() == b""
    await to.close()


def test_what_is_no_file_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(Error, match="regular file"):
        sink(Path(os.devnull)).check()
    with pytest.raises(Error, match="cannot be written"):
        sink(tmp_path / "no" / "folder").check()


async def test_a_large_file_is_moved_away_and_as_many_are_kept_as_is_said(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    to = sink(path, max_bytes=30, keep=2)
    for position in range(1, 8):
        await to.deliver(batch(position))
    await to.close()
    kept = {file.name: positions(file) for file in tmp_path.glob("audit.jsonl*")}
    assert kept == {"audit.jsonl.2": [3, 4], "audit.jsonl.1": [5, 6], "audit.jsonl": [7]}
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.glob("audit.jsonl*")} == {0o600}


async def test_a_file_that_somebody_else_moves_away_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    to = sink(path)
    await to.deliver(batch(1))
    path.rename(tmp_path / "moved")
    await to.deliver(batch(2))
    await to.close()
    assert (positions(tmp_path / "moved"), positions(path)) == ([1], [2])


async def test_a_line_that_was_cut_by_a_kill_is_followed_by_a_new_line(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.touch(0o600)
    path.write_bytes(b'{"position":1}\n{"posi')
    to = sink(path)
    await to.deliver(batch(2))
    await to.close()
    assert path.read_bytes() == b'{"position":1}\n{"posi\n{"position":2}\n'


async def test_on_a_full_disk_no_part_of_a_batch_stays_and_it_is_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "audit.jsonl"
    to = sink(path)
    await to.deliver(batch(1))
    write, room = os.write, 20

    def full(descriptor: int, content: memoryview) -> int:
        nonlocal room
        if not room:
            raise OSError(28, "No space left on device")
        done = write(descriptor, bytes(content[:room]))
        room -= done
        return done

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(DeliveryError, match="No space left"):
        await to.deliver(batch(2, 3))
    assert positions(path) == [1]
    monkeypatch.setattr(os, "write", write)
    await to.deliver(batch(2, 3))
    await to.close()
    assert positions(path) == [1, 2, 3]

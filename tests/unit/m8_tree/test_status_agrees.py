"""`m8 log status`, in a process of its own, says what health and metrics of the running m8 say."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from monoskope.m8.background.checkpoint_task import CheckpointTask
from monoskope.m8.cli import log as command
from monoskope.m8.operations import Snapshot, health
from monoskope.m8.tree import key_file
from monoskope.m8.tree.cosigning import STALE_MS
from monoskope.m8.tree.tree import grow_tree
from monoskope.protocol.tlog.checkpoint import Checkpoint
from monoskope.protocol.tlog.log_key import LogKey
from monoskope.settings import write_private
from tests.support.checkpoints import ORIGIN, grown, keys_in, signing
from tests.support.m8_world import World, an_m8


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with an_m8(tmp_path) as world:
        monkeypatch.setattr(command, "wall_clock", world.clock)
        yield world


async def fine(world: World, _folder: Path) -> str:
    await grown(world.app.log, 2)
    return ""


async def without_key(world: World, folder: Path) -> str:
    (folder / key_file.FILE).unlink()
    world.clock.pass_s(STALE_MS / 1000 + 1)
    return "log.key is missing in the folder of this m8"


async def with_another_key(world: World, folder: Path) -> str:
    (folder / key_file.FILE).unlink()
    key_file.write(folder, key_file.make(""))
    world.clock.pass_s(STALE_MS / 1000 + 1)
    return "log.key is not the key of this log"


async def put_back(_world: World, folder: Path) -> str:
    key = LogKey.from_pem((folder / key_file.FILE).read_bytes())
    later = key.sign(Checkpoint(ORIGIN, 9, b"\x07" * 32), 1_798_000_000)
    write_private(folder / "log.checkpoint", later, replace=True)
    return "the event log ends at position 3"


async def forged(world: World, _folder: Path) -> str:
    await grown(world.app.log, 1)
    await grow_tree(world.app.log, upto=4)
    assert await world.app.log.claim(1, 4, await world.app.witnessed.tree.root(4), at_ms=world.clock())
    note = LogKey.make(ORIGIN).sign(Checkpoint(ORIGIN, 4, bytes(32)), 1_798_000_000)
    await world.app.log.keep_note(1, 4, note, at_ms=world.clock())
    return "the keys of the log did not sign"


async def looks(world: World, task: CheckpointTask) -> None:
    """Do what a process does that has no lease: it looks at its keys, and follows what is signed."""
    world.app.witnessed.forget()
    await task.may_sign()
    await task.follow()
    world.app.witnessed.forget()


@pytest.mark.parametrize("happens", [fine, without_key, with_another_key, put_back, forged])
async def test_they_agree(world: World, tmp_path: Path, happens: Callable[[World, Path], Awaitable[str]]) -> None:
    keys_in(tmp_path)
    task = signing(world.app, tmp_path)
    await grown(world.app.log, 3)
    await task.round()
    expected = await happens(world, tmp_path)
    await looks(world, task)

    said = await command._status(world.app.log, tmp_path, None)
    app, seen = world.app, await world.app.witnessed.seen()
    await Snapshot(app, None).take(up=True)
    gauge = app.meters.registry.get_sample_value

    assert expected in str(said["trouble"])
    assert said["trouble"] == (app.witnessed.trouble(seen) or "none")
    assert said["log_key"] == (app.witnessed.key_trouble or "fits")
    assert gauge("m8_log_signing_stopped") == bool(expected) == (said["trouble"] != "none")
    assert gauge("m8_log_tree_lag_events") == int(str(said["events"])) - int(str(said["tree"]))
    assert health(app.witnessed, seen, app.clock()).startswith("signing stopped" if expected else "ok")

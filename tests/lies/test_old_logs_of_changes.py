"""An m8 that shows an older or another log to who proposes, approves and executes: nothing is signed or written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from monoskope.api.gateway.v1 import log_pb2
from monoskope.client.known.logs import KnownLogs
from monoskope.errors import LogMismatchError
from monoskope.m8.background.checkpoint_task import CheckpointTask
from monoskope.m8.tree import key_file
from monoskope.protocol.tlog.checkpoint import Checkpoint
from monoskope.protocol.tlog.log_key import LogKey
from monoskope.protocol.tlog.note import Note
from monoskope.testing.cluster.identities import Identity
from tests.lies.approved.people import proposes
from tests.lies.approved.row import Scene, approves, executes, scene_of
from tests.lies.approved.stage import Stage, staged
from tests.lies.rig import MEMORY, ORIGIN

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.lie]

KEY = LogKey.make(ORIGIN)


async def sign(stage: Stage) -> bytes:
    """Sign a checkpoint of what there is, let everybody see it, and return its note."""
    await CheckpointTask(stage.m8.world.app, stage.folder, every_s=0).round()
    for name in ("alice", "ben", "eva"):
        await stage.clients[name].log.get()
    return checkpoint(stage)[0]


def checkpoint(stage: Stage) -> tuple[bytes, Checkpoint]:
    """What is pinned: its note, and what that says."""
    pin = KnownLogs(stage.folder / "known_logs", system=stage.folder / "none").pin(stage.m8.server)
    assert pin is not None
    return pin.note, Checkpoint.parse(Note.parse(pin.note).text)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with staged(tmp_path_factory.mktemp("stage")) as found:
        key_file.write(found.folder, KEY)
        yield found


WHO = {"propose": "alice", "approve": "ben", "execute": "alice"}
ACTS: dict[str, Callable[[Scene], Awaitable[Any]]] = {"propose": proposes, "approve": approves, "execute": executes}


@pytest.mark.parametrize("shows", ["an older log", "another log of the same size"])
@pytest.mark.parametrize("does", sorted(ACTS))
async def test_nobody_is_shown_another_log_than_the_one_that_was_seen(stage: Stage, does: str, shows: str) -> None:
    old = await sign(stage)
    await stage.m8.world.administrator().create(f"more-{next(stage.numbers)}", Identity().shown, kind=MEMORY)
    await sign(stage)
    scene = await scene_of(stage, "put", ("eva",) if does == "approve" else ("ben", "eva"))
    await sign(stage)
    _, seen = checkpoint(stage)
    forged = KEY.sign(Checkpoint(ORIGIN, seen.size, bytes(32)), stage.m8.world.clock.now_ms // 1000)
    stage.engine.changes.clear()
    signed = {name: (len(one.signed), len(one.approved)) for name, one in stage.people.items()}

    def act(_: object, content: bytes) -> bytes:
        answer = log_pb2.GetCheckpointResponse.FromString(content)
        answer.newest.note = old if shows == "an older log" else forged
        return answer.SerializeToString(deterministic=True)

    stage.wire.change("GetCheckpoint", act, times=None)
    kept = stage.clients[WHO[does]]
    try:
        async with stage.client(WHO[does]) as new:  # One that runs has looked already.
            stage.clients[WHO[does]] = new
            with pytest.raises(LogMismatchError):
                await ACTS[does](scene)
        assert not stage.wire.is_untold
    finally:
        stage.clients[WHO[does]] = kept
        stage.wire.honest()
    assert stage.engine.changes == []
    assert {name: (len(one.signed), len(one.approved)) for name, one in stage.people.items()} == signed

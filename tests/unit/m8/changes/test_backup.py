"""Changes in m8: a backup brings them back as it does whatever else the log has."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

from monoskope.m8.backup.create import Making
from monoskope.m8.backup.restore import Checking, restore
from monoskope.m8.domain.change import change_stream
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.readmodels.changes import CHANGES, KEYS, OPEN_OF
from monoskope.m8.readmodels.documents import project
from tests.support.changes import APPROVE, PROPOSE, a_change, approve, decline, execute, propose
from tests.support.m8_world import a_world


async def test_a_backup_brings_changes_approvals_and_what_m8_finds_of_them_back(engine: str, tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        anna = world.user("anna", "vault://app", rights=PROPOSE)
        ben = world.user("ben", "vault://app", rights=APPROVE)
        reactor, owner = await world.attached(), world.user("owner", "vault://app")
        done, declined, open_ = (a_change(world, uri=f"vault://app/{number}") for number in range(3))
        for change in (done, declined, open_):
            await propose(anna, change)
        await approve(ben, open_)
        await decline(ben, declined, "Not today.")
        await execute(owner, reactor, done, "1")
        log = world.app.log
        making = Making(log, created_at_ms=1, log_id="0" * 32, engine=engine, version="0")
        content = b"".join([piece async for piece in making.pieces()])

        async def pieces() -> AsyncGenerator[bytes, None]:
            yield content

        restored = await SqliteLog.open(tmp_path / "restored.db", clock=world.clock, projector=project, for_import=True)
        await restore(Checking(pieces()), restored)
        for change in (done, declined, open_):
            stream = change_stream(change.change_id)
            assert await restored.read_stream(stream) == await log.read_stream(stream) != []
        assert await restored.check_chain() == await log.head()
        for name in (CHANGES, KEYS, OPEN_OF):
            found = [one async for one in log.scan_all(name)]
            assert [one async for one in restored.scan_all(name)] == found != []
        await restored.close()

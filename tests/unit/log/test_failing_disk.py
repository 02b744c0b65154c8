"""A disk that refuses a write in the middle: nothing half-written, and the log goes on when the disk does."""

from __future__ import annotations

import asyncio
import resource
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

from monoskope.errors import UnavailableError
from monoskope.m8.log.event_log import NewEvent
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.testing.logs import some_time


async def test_the_log_outlives_failing_writes(tmp_path: Path) -> None:
    child = await asyncio.create_subprocess_exec(sys.executable, __file__, str(tmp_path / "log.db"), stdout=PIPE)
    output, _ = await child.communicate()
    assert child.returncode == 0
    refused, recorded = (int(number) for number in output.split())
    assert refused > 0
    assert recorded > 0
    log = await SqliteLog.open(tmp_path / "log.db", clock=some_time)
    assert await log.check_chain() == recorded
    await log.close()


async def append_while_the_limit_grows(path: Path) -> None:
    """Let files grow up to a limit only, so that the operating system fails writes of this process in their middle."""
    log = await SqliteLog.open(path, clock=some_time)
    refused = recorded = 0
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    for kilobytes in range(64, 512, 3):
        resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024, hard))
        try:
            [event] = await log.append("a", recorded, [NewEvent("Happened", bytes(9000))], actor="ann")
        except UnavailableError:
            refused += 1
        else:
            recorded += 1
            assert event.position == recorded
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await log.append("a", recorded, [NewEvent("Happened", b"")], actor="ann")
    assert await log.check_chain() == recorded + 1
    sys.stdout.write(f"{refused} {recorded + 1}")
    await log.close()


if __name__ == "__main__":
    asyncio.run(append_while_the_limit_grows(Path(sys.argv[1])))

"""The m8 of `m8_world` in a process of its own, for thousands of watchers and reactors.

`python -m tests.support.m8_process FOLDER` prints as JSON where it listens and two tokens. It ends with its input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from monoskope import event_loop
from monoskope.m8.limits.settings import ServerLimits
from tests.support.m8_user import User
from tests.support.m8_world import an_m8, patient

_ANY = 100_000
_LIMITS = ServerLimits(
    connections=_ANY,
    connections_each=_ANY,
    failed_logins=_ANY,
    failed_logins_each=_ANY,
    reactor_messages=_ANY,
    watchers=_ANY,
    watchers_per_token=_ANY,
    watchers_per_user=_ANY,
)


@dataclass(frozen=True, slots=True)
class Process:
    """An m8 that takes thousands of watchers and reactors, from outside: an administrator, and a user of store `s0`."""

    pid: int
    administrator: User
    user: User


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Process]:
    """Run that m8 with a log in `folder`."""
    folder.mkdir()
    command = [sys.executable, "-m", "tests.support.m8_process", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address, *tokens = json.loads(process.stdout.readline())
        try:
            yield Process(process.pid, *(User(address, token) for token in tokens))
        finally:
            process.communicate("")


async def _serve(folder: Path) -> None:
    async with an_m8(folder, limits=patient(_LIMITS)) as world:
        said = [world.address, world.administrator().token, world.user("anna", "s0://").token]
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    event_loop.run(_serve(Path(sys.argv[1])))

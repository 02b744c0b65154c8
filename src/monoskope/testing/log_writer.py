"""A process that appends to a log, for tests that need several of them or kill one.

It stands beside the package `logs`, and not in it, so that the process need not import that suite and pytest.

Run as `python -m monoskope.testing.log_writer`. Its standard input begins with a pickled `Task`; it prints `ready`,
waits for a line, and then prints the position of each event as soon as that is acknowledged.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from monoskope.m8.log.event_log import EventLog, NewEvent, Projector, no_documents


class LogOpener(Protocol):
    """Opens one and the same log at every call. Must be picklable, for other processes to open that log too."""

    def __call__(self, *, clock: Callable[[], int], projector: Projector) -> Awaitable[EventLog]:
        """Open the log."""


@dataclass(frozen=True, slots=True)
class Task:
    """What the process is to append.

    Attributes:
        opener: Opens the log.
        name: Name of the actor, and start of the names of its streams.
        appends: How many events.
        together: How many streams it appends to at once.
    """

    opener: LogOpener
    name: str
    appends: int
    together: int = 1


def some_time() -> int:
    """A clock that stands still."""
    return 1_700_000_000_000


async def start(task: Task) -> Process:
    """Start a writer that has opened the log and waits for a line on its standard input."""
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(path for path in sys.path if path))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "monoskope.testing.log_writer", stdin=PIPE, stdout=PIPE, env=environment
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(pickle.dumps(task))
    await process.stdin.drain()
    first = await process.stdout.readline()
    assert first == b"ready\n", "the writer did not open the log; its standard error says why"
    return process


async def _append(task: Task) -> None:
    log = await task.opener(clock=some_time, projector=no_documents)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.buffer.readline)

    async def fill(stream: str, appends: int) -> None:
        for version in range(appends):
            events = [NewEvent("Written", os.urandom(400))]
            recorded = await log.append(stream, version, events, actor=task.name, sealed=os.urandom(64))
            os.write(1, b"%d\n" % recorded[0].position)

    each = task.appends // task.together
    await asyncio.gather(*(fill(f"{task.name}-{number}", each) for number in range(task.together)))
    await log.close()


if __name__ == "__main__":
    asyncio.run(_append(pickle.load(sys.stdin.buffer)))

"""A process that imports the beginning of a log and does not finish, for tests that kill it. Does not import pytest.

Run as `python -m monoskope.testing.logs.importer`. Its standard input begins with a pickled opener and the records; it
prints `imported` when they are durable, and waits.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence

from monoskope.m8.log.event_log import no_documents
from monoskope.testing.log_writer import LogOpener, some_time


async def start_import(opener: LogOpener, records: Sequence[bytes]) -> Process:
    """Start a process that has imported `records` and not finished."""
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(path for path in sys.path if path))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "monoskope.testing.logs.importer", stdin=PIPE, stdout=PIPE, env=environment
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(pickle.dumps((opener, list(records))))
    await process.stdin.drain()
    first = await process.stdout.readline()
    assert first == b"imported\n", "the records were not imported; its standard error says why"
    return process


async def _import(opener: LogOpener, records: Sequence[bytes]) -> None:
    log = await opener(clock=some_time, projector=no_documents)
    await log.import_records(records)
    sys.stdout.write("imported\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.buffer.readline)


if __name__ == "__main__":
    asyncio.run(_import(*pickle.load(sys.stdin.buffer)))

"""Removes credentials and other data of ended calls from m8's memory.

A call's metadata is freed when the call is over, and overwritten when it is freed (`start.execution_environment`). But
some of it may be in reference cycles, which only Python's garbage collector frees, and in an idle process that may not
run for hours.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator

EVERY_S = 1.0
"""Seconds between two collections."""


@contextlib.asynccontextmanager
async def forgotten() -> AsyncIterator[None]:
    """Collect garbage once a second as long as the block runs.

    Objects that exist before are excluded, so that a collection takes about a millisecond.
    """
    gc.collect()
    gc.freeze()
    task = asyncio.create_task(_collect())
    try:
        yield
    finally:
        task.cancel()


async def _collect() -> None:
    while True:
        await asyncio.sleep(EVERY_S)
        gc.collect()

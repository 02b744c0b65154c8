"""What calls leave in m8's memory, credentials among them, and how soon it is gone.

A call's metadata is freed when the call is over, and overwritten when it is freed (`start.execution_environment`). But
gRPC keeps some of it in objects that refer to one another, which only Python's garbage collector frees; in a process
that has nothing to do it would not run for hours.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator

EVERY_S = 1.0
"""Seconds between two looks for garbage."""


@contextlib.asynccontextmanager
async def forgotten() -> AsyncIterator[None]:
    """Free what calls left behind, once a second, as long as the block runs.

    What is there before is no garbage and is not looked at any more, so that a look takes a millisecond or so.
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

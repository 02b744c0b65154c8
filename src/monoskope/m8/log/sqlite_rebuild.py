"""Runs a build piece by piece, beside a log that is open."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable

from monoskope.failpoints import failpoint
from monoskope.m8.log.sqlite_build import LEASE_MS, WAITING, Build, running, tidy_some

Write = Callable[[Callable[[sqlite3.Connection], object]], Awaitable[object]]
"""Runs its argument in a transaction of its own, which may write."""

LONG_PIECE_S = 0.5
"""How long one piece takes where nobody appends meanwhile, in seconds."""

_LONGEST_PAUSE_S = 0.05


async def run(build: Build, write: Write) -> int:
    """Run `build` to its end while appends go on, and return how many events it replayed.

    Raises:
        ConflictError: another build is under way.
        Exception: whatever the projector raised; the documents are as before.
    """
    if not await write(build.begin):
        raise running()
    try:
        while build.phase != "done":
            failpoint("m8.rebuild", build.phase)
            await _piece(build.step, write)
    finally:
        await write(build.end)
        if build.phase != "done":  # the projector raised, or we are cancelled
            await write(lambda connection: tidy_some(connection, build.clock()))
    return build.replayed


async def tidy(clock: Callable[[], int], write: Write) -> None:
    """Drop what builds left, of those that were broken off too, unless one is under way."""
    left = 1
    while left:

        def step(connection: sqlite3.Connection) -> None:
            nonlocal left
            left = tidy_some(connection, clock())

        await _piece(step, write)
        if left == WAITING:
            await asyncio.sleep(LEASE_MS / 1000)


async def _piece(step: Callable[[sqlite3.Connection], object], write: Write) -> None:
    """Do a piece, and leave the log to others for as long as it took."""
    begun = time.monotonic()
    await write(step)
    # Appends of other processes ask for the log again and again: they need as much time as this took from them.
    await asyncio.sleep(min(time.monotonic() - begun, _LONGEST_PAUSE_S))

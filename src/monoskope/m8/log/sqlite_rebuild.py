"""Runs a build piece by piece: beside a log that is open, or on a file that is about to be opened."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path

from monoskope.failpoints import failpoint
from monoskope.m8.log import sqlite_file, sqlite_forms
from monoskope.m8.log.sqlite_build import LEASE_MS, Build, running

Write = Callable[[Callable[[sqlite3.Connection], object]], Awaitable[object]]
"""Runs its argument in a transaction of its own, which may write."""

LONG_PIECE_S = 0.5
"""How long one piece takes where nobody appends meanwhile, in seconds."""

_LONGEST_PAUSE_S = 0.05
_ASK_AGAIN_S = 0.1


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
            await asyncio.sleep(await _timed(build, write))
    except Exception:
        build.give_up()
        while build.phase != "done":
            await write(build.step)
        raise
    finally:
        await write(build.end)
    return build.replayed


async def _timed(build: Build, write: Write) -> float:
    """Do the next piece, and return how long to leave the log to others after it."""
    begun = time.monotonic()
    await write(build.step)
    # Appends of other processes ask for the log again and again: they need as much time as this took from them.
    return min(time.monotonic() - begun, _LONGEST_PAUSE_S)


async def tidy(build: Build, write: Write) -> None:
    """Drop what a build left that was broken off, as soon as no other is under way."""
    build.give_up()
    while not await write(build.begin):
        await asyncio.sleep(LEASE_MS / 1000)
    try:
        while build.phase != "done":
            await asyncio.sleep(await _timed(build, write))
    finally:
        await write(build.end)


def migrate(path: Path, build: Build, *, tell: Callable[[int, int], None]) -> None:
    """Give a file of an older form documents of this one, unless another process does; then wait for it. Blocks.

    Other processes may go on appending under the older form until the change, and fail from then on. What the change
    leaves is dropped by whoever opens the log next.

    Args:
        path: The file.
        build: Says how.
        tell: Called after each piece with how many events were replayed and how many are left.

    Raises:
        UnavailableError: the disk fails.
    """
    try:
        with closing(sqlite_file.connect(path)) as connection:
            _migrate(connection, build, tell)
    except sqlite3.Error as error:
        raise sqlite_file.explain(error, path) from None


def _migrate(connection: sqlite3.Connection, build: Build, tell: Callable[[int, int], None]) -> None:
    while sqlite_forms.form(connection) != sqlite_forms.FORM:
        with _transaction(connection):
            is_ours = build.begin(connection)
        if is_ours:
            break
        time.sleep(_ASK_AGAIN_S)  # another process builds
    else:
        return
    try:
        # Another process may have ended just before we took the lease.
        while build.phase not in ("dropping", "done") and sqlite_forms.form(connection) != sqlite_forms.FORM:
            failpoint("m8.rebuild", build.phase)
            begun = time.monotonic()
            with _transaction(connection):
                build.step(connection)
            tell(build.replayed, build.left)
            if build.piece_s < LONG_PIECE_S:
                time.sleep(min(time.monotonic() - begun, _LONGEST_PAUSE_S))
    finally:
        with _transaction(connection):
            build.end(connection)


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise

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
from monoskope.m8.log.sqlite_build import LEASE_MS, WAITING, Build, running, tidy_some

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


def drop_leftovers(path: Path, clock: Callable[[], int]) -> None:
    """Drop what builds left in a file that nobody else has open. Blocks. Raises `UnavailableError`."""
    try:
        with closing(sqlite_file.connect(path)) as connection:
            left = 1
            while left == 1:
                with _transaction(connection):
                    left = tidy_some(connection, clock())
    except sqlite3.Error as error:
        raise sqlite_file.explain(error, path) from None


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

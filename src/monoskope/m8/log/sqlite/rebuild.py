"""Building the documents beside those that m8 answers from, while appends go on; and leases, by which one build runs.

The new tables are filled in pieces, each a short transaction of its own, so that an append waits for one piece at most.
When they have caught up with the log they take the place of the current ones in one more transaction, which changes
names and no rows. What they replaced is then dropped in pieces. Each piece checks that the lease is still its own.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from monoskope.failpoints import failpoint
from monoskope.m8.log import record
from monoskope.m8.log.event_log import Projector
from monoskope.m8.log.failures import rebuilding
from monoskope.m8.log.sqlite import documents
from monoskope.m8.log.sqlite.documents import BUILT

LONGEST_MS = 60_000
"""The longest lease, one minute. A row whose time is further away is from before the clock was set back: it is free.

So a process that was killed while the clock was ahead keeps others from its work for a minute at most.
"""


def check_lease(name: str, holder: str, ttl_ms: int) -> None:
    """Raise `ValueError` for an empty name or holder, or a time that is not from 1 to `LONGEST_MS`."""
    if not name or not holder:
        raise ValueError("a lease has a name and a holder.")
    if not 1 <= ttl_ms <= LONGEST_MS:
        raise ValueError(f"a lease lasts from 1 to {LONGEST_MS} ms.")


def is_free(connection: sqlite3.Connection, name: str, *, now_ms: int) -> bool:
    """Whether the lease is free."""
    row = connection.execute("SELECT until_ms FROM leases WHERE name = ?", (name,)).fetchone()
    return row is None or not now_ms < row[0] <= now_ms + LONGEST_MS


def take(connection: sqlite3.Connection, name: str, holder: str, *, now_ms: int, ttl_ms: int) -> bool:
    """Take or keep the lease, as `EventLog.lease`. Called within a transaction that may write."""
    row = connection.execute("SELECT holder, until_ms FROM leases WHERE name = ?", (name,)).fetchone()
    if row is not None and row[0] != holder and now_ms < row[1] <= now_ms + LONGEST_MS:
        return False
    connection.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?)", (name, holder, now_ms + ttl_ms))
    return True


def release(connection: sqlite3.Connection, name: str, holder: str) -> None:
    """Give the lease up, as `EventLog.release`."""
    connection.execute("DELETE FROM leases WHERE name = ? AND holder = ?", (name, holder))


LEASE = "documents"
"""The lease of the one build at a time."""

LEASE_MS = 30_000
"""How long a build that was killed keeps others from beginning."""

PIECE_S = 0.01
"""How long one piece takes, about, while appends go on."""

_LAST = 16
"""With so few events left, the exchange projects them itself."""

_PAGE = 200

Phase = Literal["clearing", "building", "exchanging", "dropping", "done"]


@dataclass(slots=True)
class Build:
    """One build. `step` does the next piece of it, within a transaction that may write, until `phase` is `done`.

    Attributes:
        projector: What events change.
        clock: Milliseconds since 1970.
        piece_s: How long one step may take, about, in seconds.
        replayed: How many events it has projected.
        left: How many are left, as far as is known.
    """

    projector: Projector
    clock: Callable[[], int]
    piece_s: float = PIECE_S
    phase: Phase = "clearing"
    replayed: int = 0
    left: int = 0
    holder: str = field(default_factory=lambda: secrets.token_hex(16))

    def begin(self, connection: sqlite3.Connection) -> bool:
        """Take the lease, and return whether this is the one build now."""
        if not self._keep(connection):
            return False
        connection.execute("DELETE FROM builds")
        return True

    def end(self, connection: sqlite3.Connection) -> None:
        """Give the lease up."""
        release(connection, LEASE, self.holder)

    def step(self, connection: sqlite3.Connection) -> None:
        """Do the next piece.

        Raises:
            ConflictError: another build began, because this one stood still for too long.
            Exception: whatever the projector raised.
        """
        if not self._keep(connection):
            raise rebuilding()
        match self.phase:
            case "clearing":
                if _drop(connection, self.piece_s, with_built=True):
                    documents.create(connection, BUILT, f"i{self.holder[:8]}")
                    connection.execute("INSERT INTO builds VALUES (1, ?, 0)", (self.holder,))
                    self.phase = "building"
            case "building":
                self._project(connection)
                if self.left <= _LAST:
                    self.phase = "exchanging"
            case "exchanging":
                self._exchange(connection)
            case "dropping":
                if _drop(connection, self.piece_s, with_built=False):
                    self.phase = "done"
            case "done":
                pass

    def _keep(self, connection: sqlite3.Connection) -> bool:
        return take(connection, LEASE, self.holder, now_ms=self.clock(), ttl_ms=LEASE_MS)

    def _project(self, connection: sqlite3.Connection) -> None:
        """Project events until the time of a piece is over, and at least one page of a short log's end."""
        begun = time.monotonic()
        position = self._position(connection)
        head = int(connection.execute("SELECT position FROM head").fetchone()[0])
        query = "SELECT position, record FROM events WHERE position > ? ORDER BY position LIMIT ?"
        while position < head and (not self.replayed or time.monotonic() - begun < self.piece_s):
            for number, row in connection.execute(query, (position, _PAGE)).fetchall():
                documents.project(connection, self.projector, [record.parse(number, row)], tables=BUILT)
                position = number
                self.replayed += 1
                if time.monotonic() - begun >= self.piece_s:
                    break
        connection.execute("UPDATE builds SET position = ?", (position,))
        self.left = head - position

    def _exchange(self, connection: sqlite3.Connection) -> None:
        """Project the last events and exchange the tables; if too many came meanwhile, build on."""
        self._project(connection)
        if self.left:
            self.phase = "building"
            return
        documents.exchange(connection, self.holder[:8])
        self.phase = "dropping"

    def _position(self, connection: sqlite3.Connection) -> int:
        row = connection.execute("SELECT holder, position FROM builds").fetchone()
        if row is None or row[0] != self.holder:
            raise rebuilding()
        return int(row[1])


def tidy_some(connection: sqlite3.Connection, now_ms: int) -> int:
    """Drop some of what builds left; return 0 if nothing is left, `WAITING` if the rest may be of a running build."""
    is_unclaimed = is_free(connection, LEASE, now_ms=now_ms)
    if is_unclaimed:
        connection.execute("DELETE FROM builds")
    if not _drop(connection, PIECE_S, with_built=is_unclaimed):
        return 1
    return WAITING if documents.leftovers(connection, with_built=True) else 0


WAITING = 2
"""What `tidy_some` returns while a build is under way, or may be."""


def _drop(connection: sqlite3.Connection, piece_s: float, *, with_built: bool) -> bool:
    """Drop leftover tables until the time of a piece is over, and return whether none is left."""
    begun = time.monotonic()
    while names := documents.leftovers(connection, with_built=with_built):
        if not documents.drop_some(connection, names[0]) and time.monotonic() - begun >= piece_s:
            return False
    return True


Write = Callable[[Callable[[sqlite3.Connection], object]], Awaitable[object]]
"""Runs its argument in a transaction of its own, which may write."""

LONG_PIECE_S = 0.5
"""How long one piece takes where no process appends meanwhile, in seconds."""

_LONGEST_PAUSE_S = 0.05


async def run(build: Build, write: Write) -> int:
    """Run `build` to its end while appends go on, and return how many events it replayed.

    Raises:
        ConflictError: another build is under way.
        Exception: whatever the projector raised; the documents are as before.
    """
    if not await write(build.begin):
        raise rebuilding()
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
    while left := await _piece(lambda connection: tidy_some(connection, clock()), write):
        if left == WAITING:
            await asyncio.sleep(LEASE_MS / 1000)


async def _piece(step: Callable[[sqlite3.Connection], object], write: Write) -> object:
    """Do a piece, and leave the log to others for as long as it took. Return what `step` does."""
    begun = time.monotonic()
    done = await write(step)
    # Appends of other processes ask for the log again and again: they need as much time as this took from them.
    await asyncio.sleep(min(time.monotonic() - begun, _LONGEST_PAUSE_S))
    return done

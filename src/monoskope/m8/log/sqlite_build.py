"""Building the documents anew beside those that m8 answers from, while appends go on.

The new tables are filled in pieces, each a short transaction of its own, so that an append waits for one piece at most.
When they have caught up with the log they take the place of the current ones in one more transaction, which changes
names and no rows. What they replaced is then dropped in pieces. One build at a time: a lease says whose it is, and each
piece checks that it still is.
"""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from monoskope.errors import ConflictError
from monoskope.m8.log import record, sqlite_forms, sqlite_leases
from monoskope.m8.log import sqlite_documents as documents
from monoskope.m8.log.event_log import Projector
from monoskope.m8.log.sqlite_forms import BUILT

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
        sqlite_leases.release(connection, LEASE, self.holder)

    def step(self, connection: sqlite3.Connection) -> None:
        """Do the next piece.

        Raises:
            ConflictError: another build began, because this one stood still for too long.
            Exception: whatever the projector raised.
        """
        if not self._keep(connection):
            raise running()
        match self.phase:
            case "clearing":
                if _drop(connection, self.piece_s, with_built=True):
                    sqlite_forms.create(connection, BUILT, f"i{self.holder[:8]}")
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
        return sqlite_leases.take(connection, LEASE, self.holder, now_ms=self.clock(), ttl_ms=LEASE_MS)

    def _project(self, connection: sqlite3.Connection) -> None:
        """Project events until the time of a piece is over, and at least one page of a short log's end."""
        begun = time.monotonic()
        position = self._position(connection)
        head = int(connection.execute("SELECT position FROM head").fetchone()[0])
        query = "SELECT position, record FROM events WHERE position > ? ORDER BY position LIMIT ?"
        while position < head and (not self.replayed or time.monotonic() - begun < self.piece_s):
            for number, row in connection.execute(query, (position, _PAGE)).fetchall():
                documents.project(connection, self.projector, record.parse(number, row), tables=BUILT)
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
        sqlite_forms.exchange(connection, self.holder[:8])
        self.phase = "dropping"

    def _position(self, connection: sqlite3.Connection) -> int:
        row = connection.execute("SELECT holder, position FROM builds").fetchone()
        if row is None or row[0] != self.holder:
            raise running()
        return int(row[1])


def tidy_some(connection: sqlite3.Connection, now_ms: int) -> int:
    """Drop some of what builds left; return 0 if nothing is left, `WAITING` if the rest may be of a running build."""
    is_free = sqlite_leases.is_free(connection, LEASE, now_ms=now_ms)
    if is_free:
        connection.execute("DELETE FROM builds")
    if not _drop(connection, PIECE_S, with_built=is_free):
        return 1
    return WAITING if sqlite_forms.leftovers(connection, with_built=True) else 0


WAITING = 2
"""What `tidy_some` returns while a build is under way, or may be."""


def _drop(connection: sqlite3.Connection, piece_s: float, *, with_built: bool) -> bool:
    """Drop leftover tables until the time of a piece is over, and return whether none is left."""
    begun = time.monotonic()
    while names := sqlite_forms.leftovers(connection, with_built=with_built):
        if not sqlite_forms.drop_some(connection, names[0]) and time.monotonic() - begun >= piece_s:
            return False
    return True


def running() -> ConflictError:
    """Return the error of a build that is not the one at a time."""
    return ConflictError(
        "the documents are being rebuilt already, by another process.",
        fix="Wait until it has ended; if its process was killed, try again in 30 seconds.",
    )

"""Leases in the database file: one row each. The clock is the machine's, which all processes of one file share."""

from __future__ import annotations

import sqlite3

LONGEST_MS = 60_000
"""The longest lease, one minute. A row whose time is further away is from before the clock was set back: it is free.

So a process that was killed while the clock was ahead keeps others from its work for a minute at most.
"""


def check(name: str, holder: str, ttl_ms: int) -> None:
    """Raise `ValueError` for an empty name or holder, or a time that is not from 1 to `LONGEST_MS`."""
    if not name or not holder:
        raise ValueError("a lease has a name and a holder.")
    if not 1 <= ttl_ms <= LONGEST_MS:
        raise ValueError(f"a lease lasts from 1 to {LONGEST_MS} ms.")


def is_free(connection: sqlite3.Connection, name: str, *, now_ms: int) -> bool:
    """Whether nobody has the lease."""
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

"""Finding documents by their columns, in the order of keys and by indexes alone.

Each condition is a sorted list of keys in an index. What meets several conditions is found by going through all lists
at once: each skips to the first key that it has at or after the greatest one that another stands at. Of `expires_on`
each day is such a list, and the days are merged: their number does not grow with the number of documents.

SQLite's planner does not choose here. Without statistics (ANALYZE) it can choose wrongly, with them it can change its
mind: `INDEXED BY` names the index.
"""

from __future__ import annotations

import heapq
import sqlite3
from typing import TypeAlias

from monoskope.m8.log.documents import Where
from monoskope.m8.log.sqlite.documents import DOCUMENTS, LABELS, indexes


class _Indexed:
    """The keys in one index, or in the table of labels, that meet `condition`, sorted."""

    def __init__(self, connection: sqlite3.Connection, source: str, condition: str, *values: str | bool) -> None:
        self._connection = connection
        self._query = f"SELECT key FROM {source} WHERE {condition} AND key >= ? ORDER BY key LIMIT 1"
        self._values = values
        self._found: str | None = ""

    def at_or_after(self, key: str) -> str | None:
        """Return the first key that is not less than `key`, None at the end. `key` never falls from call to call."""
        if self._found is not None and (self._found < key or not self._found):
            row = self._connection.execute(self._query, (*self._values, key)).fetchone()
            self._found = None if row is None else str(row[0])
        return self._found


class _Merged:
    """The keys of several lists, sorted."""

    def __init__(self, lists: list[_Indexed]) -> None:
        self._lists = lists
        self._heap: list[tuple[str, int]] | None = None

    def at_or_after(self, key: str) -> str | None:
        """As of one list."""
        if self._heap is None:
            firsts = ((keys.at_or_after(key), number) for number, keys in enumerate(self._lists))
            self._heap = [(first, number) for first, number in firsts if first is not None]
            heapq.heapify(self._heap)
        while self._heap and self._heap[0][0] < key:
            number = self._heap[0][1]
            following = self._lists[number].at_or_after(key)
            if following is None:
                heapq.heappop(self._heap)
            else:
                heapq.heapreplace(self._heap, (following, number))
        return self._heap[0][0] if self._heap else None


_Keys: TypeAlias = _Indexed | _Merged


def find(
    connection: sqlite3.Connection, collection: str, where: Where, *, prefix: str, after: str, limit: int
) -> list[tuple[str, bytes]]:
    """Return documents as `EventLog.find` does, in one snapshot."""
    connection.execute("BEGIN")
    try:
        lists = _lists(connection, collection, where)
        query = f"SELECT body FROM {DOCUMENTS} WHERE collection = ? AND key = ?"
        page: list[tuple[str, bytes]] = []
        # No key stands between one and the same with a zero character after it.
        key = max(prefix, f"{after}\0")
        while len(page) < limit and (found := _common(lists, key)) is not None and found.startswith(prefix):
            body = connection.execute(query, (collection, found)).fetchone()[0]
            page.append((found, body))
            key = f"{found}\0"
        return page
    finally:
        connection.execute("ROLLBACK")


def _lists(connection: sqlite3.Connection, collection: str, where: Where) -> list[_Keys]:
    names = indexes(connection)
    same = (collection, where.deleted)

    def keys(index: str, condition: str = "deleted IS NOT NULL", *values: str) -> _Indexed:
        source = f"{DOCUMENTS} INDEXED BY {names[index]}"
        return _Indexed(connection, source, f"collection = ? AND deleted = ? AND {condition}", *same, *values)

    lists: list[_Keys] = []
    if where.subject:
        lists.append(keys("subject", "subject = ?", where.subject))
    if where.drifted:
        lists.append(keys("drifted", "drifted = 1"))
    if where.out_of_sync:
        lists.append(keys("out_of_sync", "out_of_sync = 1"))
    for label in where.labels:
        condition = "collection = ? AND deleted = ? AND label = ?"
        lists.append(_Indexed(connection, LABELS, condition, *same, label))
    if where.expiring_before:
        days = _days(connection, names["expires_on"], collection, where)
        lists.append(_Merged([keys("expires_on", "expires_on = ?", day) for day in days]))
    return lists or [keys("found")]


def _days(connection: sqlite3.Connection, index: str, collection: str, where: Where) -> list[str]:
    """Return each day of expiry before the one that is asked for: one step in the index a day."""
    query = (
        f"SELECT expires_on FROM {DOCUMENTS} INDEXED BY {index} WHERE collection = ? AND deleted = ?"
        " AND expires_on > ? AND expires_on < ? ORDER BY expires_on LIMIT 1"
    )
    days = [""]
    while row := connection.execute(query, (collection, where.deleted, days[-1], where.expiring_before)).fetchone():
        days.append(row[0])
    return days[1:]


def _common(lists: list[_Keys], key: str) -> str | None:
    """Return the first key at or after `key` that is in all lists, None if there is none."""
    while True:
        before = key
        for keys in lists:
            found = keys.at_or_after(key)
            if found is None:
                return None
            key = found
        if len(lists) == 1 or key == before:
            return key

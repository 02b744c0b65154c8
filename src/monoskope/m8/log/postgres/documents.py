"""The documents in the database: reading them, and what is sent to write them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

from monoskope.m8.log.documents import Change, Put, Where, Which
from monoskope.m8.log.postgres.connections import Connection
from monoskope.m8.log.postgres.schema import DOCUMENTS, LABELS

COUNTED = 1_000
"""How many documents of a label are counted at most, to find the rarest of several."""

NEAR = 10
"""How many documents are looked through for each that a listing by day of expiry may return, before the days are."""

Arguments: TypeAlias = list[Sequence[object]]
"""The values of `schema.WRITE_ARGUMENTS`."""

# Only names and places of values are put together in this file, never a value.
_ONE = f"SELECT body FROM {DOCUMENTS} WHERE collection = $1 AND key = $2"  # noqa: S608
_OF_LABEL = f"(SELECT * FROM {DOCUMENTS} o WHERE o.collection = l.collection AND o.key = l.key OFFSET 0)"  # noqa: S608
"""The document of a label. `OFFSET 0` keeps the planner from going through all documents and asking each for its label:
the index of labels is in the order of keys within a label, so a page reads about as many rows as it returns."""
_RAREST_FIRST = f"""
SELECT asked.label FROM unnest($2::text[]) AS asked(label) ORDER BY (SELECT count(*) FROM (
  SELECT FROM {LABELS} l WHERE l.collection = $1 AND l.label = asked.label LIMIT {COUNTED}) counted)
"""  # noqa: S608
_MANY = (
    "SELECT d.collection, d.key, d.body FROM unnest($1::text[], $2::text[]) AS asked(collection, key) "
    "JOIN {documents} d ON d.collection = asked.collection AND d.key = asked.key"
)


def is_nowhere(*texts: str) -> bool:
    """Whether one of the texts has a NUL, which callers may send: no text in PostgreSQL has one, and it is an error."""
    return any("\0" in text for text in texts)


async def get(connection: Connection, collection: str, key: str) -> bytes | None:
    """Return the document under `key`, None if there is none."""
    if is_nowhere(key):
        return None
    body: bytes | None = await connection.fetchval(_ONE, collection, key)
    return body


async def read_many(
    connection: Connection, which: Iterable[Which], *, table: str = DOCUMENTS
) -> dict[Which, bytes | None]:
    """Return the body of each document asked for, None where there is none."""
    found: dict[Which, bytes | None] = dict.fromkeys(which)
    rows = await connection.fetch(_MANY.format(documents=table), [one for one, _ in found], [key for _, key in found])
    for collection, key, body in rows:
        found[collection, key] = body
    return found


def arguments(changes: Iterable[Change]) -> Arguments:
    """Return what writes `changes`, of which no two are of one document."""
    puts: list[Put] = []
    dropped: list[Change] = []
    for change in changes:
        if isinstance(change, Put):
            puts.append(change)
        else:
            dropped.append(change)
    columns = [put.columns for put in puts]
    # What is dropped loses its labels, too.
    listed = [*(put for put in puts if put.columns is not None), *dropped]
    labels = [(put, label) for put in puts if put.columns is not None for label in dict.fromkeys(put.columns.labels)]
    return [
        *_names(puts),
        [put.body for put in puts],
        *([one and getattr(one, name) for one in columns] for name in _COLUMNS),
        [one and _array(one.labels) for one in columns],
        *_names(dropped),
        *_names(listed),
        *_names([put for put, _ in labels]),
        [label for _, label in labels],
    ]


_COLUMNS = ("subject", "expires_on", "deleted", "drifted", "out_of_sync")


def _names(changes: Sequence[Change]) -> Arguments:
    return [[change.collection for change in changes], [change.key for change in changes]]


def _array(texts: Iterable[str]) -> str | None:
    """Return texts as PostgreSQL writes an array of them, None for no text."""
    quoted = ['"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts]
    return "{" + ",".join(quoted) + "}" if quoted else None


class _Query:
    """A query with its values, put together piece by piece."""

    def __init__(self) -> None:
        self.values: list[object] = []
        self.conditions: list[str] = []

    def value(self, value: object) -> str:
        """Add a value and return its place."""
        self.values.append(value)
        return f"${len(self.values)}"

    def page(self, table: str, collection: str, prefix: str, after: str) -> None:
        """Only documents of one collection whose key starts with `prefix` and is greater than `after`."""
        self.conditions.append(f"{table}.collection = {self.value(collection)}")
        # No key has a NUL, so those that follow `after` are those that follow what stands before its first one.
        self.conditions.append(f"{table}.key > {self.value(after.partition(chr(0))[0])}")
        if prefix:
            self.conditions.append(f"{table}.key >= {self.value(prefix)}")
            if end := _after_all_with(prefix):
                self.conditions.append(f"{table}.key < {self.value(end)}")

    def filter(self, where: Where) -> None:
        """Only documents that meet what `where` says, without the first label and the day of expiry."""
        for label in where.labels[1:]:
            self.conditions.append(
                f"EXISTS (SELECT FROM {LABELS} m WHERE m.collection = d.collection AND m.key = d.key "
                f"AND m.label = {self.value(label)} OFFSET 0)"
            )
        self.conditions.append("d.deleted" if where.deleted else "NOT d.deleted")
        if where.subject:
            self.conditions.append(f"d.subject = {self.value(where.subject)}")
        if where.drifted:
            self.conditions.append("d.drifted")
        if where.out_of_sync:
            self.conditions.append("d.out_of_sync")

    def text(self, tables: str, order: str, limit: int) -> str:
        """Return the statement."""
        conditions = " AND ".join(self.conditions)
        return f"SELECT d.key, d.body FROM {tables} WHERE {conditions} ORDER BY {order} LIMIT {self.value(limit)}"  # noqa: S608

    def by_day(self, tables: str, order: str, limit: int, collection: str, before: str) -> str:
        """Return the statement for documents that expire before a day: a page of each day, merged.

        All days as one range would have to be sorted, however many documents they have.
        """
        self.conditions.append("d.expires_on > '' AND d.expires_on = days.day")
        page = self.text(tables, order, limit)
        first = (
            f"SELECT min(expires_on) FROM {DOCUMENTS} WHERE collection = {self.value(collection)} "  # noqa: S608
            f"AND expires_on > '' AND expires_on < {self.value(before)}"
        )
        return (
            f"WITH RECURSIVE days(day) AS ({first} UNION ALL "  # noqa: S608
            f"SELECT ({first} AND expires_on > days.day) FROM days WHERE day IS NOT NULL) "
            f"SELECT found.key, found.body FROM days CROSS JOIN LATERAL ({page}) found "
            f"ORDER BY found.key LIMIT {self.value(limit)}"
        )


async def scan(
    connection: Connection, collection: str, *, prefix: str, after: str, limit: int
) -> list[tuple[str, bytes]]:
    """Return documents as `EventLog.scan` does."""
    if is_nowhere(prefix):
        return []
    query = _Query()
    query.page("d", collection, prefix, after)
    text = query.text(f"{DOCUMENTS} d", "d.key", limit)
    return [(key, body) for key, body in await connection.fetch(text, *query.values)]


async def find(
    connection: Connection, collection: str, where: Where, *, prefix: str, after: str, limit: int
) -> list[tuple[str, bytes]]:
    """Return documents as `EventLog.find` does."""
    if is_nowhere(prefix, where.subject, where.expiring_before, *where.labels):
        return []
    if where.expiring_before and not where.labels:
        # Where many expire, a page of them is near; where few do, the days are short.
        found = await _find_near(connection, collection, where, prefix=prefix, after=after, limit=limit)
        if len(found) == limit:
            return found
    if len(where.labels) > 1:
        # The rarest leads: else a page could go through every document of a label that most have.
        rows = await connection.fetch(_RAREST_FIRST, collection, list(where.labels))
        where = replace(where, labels=tuple(label for (label,) in rows))
    query = _Query()
    tables, order = f"{DOCUMENTS} d", "d.key"
    if where.labels:
        tables, order = f"{LABELS} l CROSS JOIN LATERAL {_OF_LABEL} d", "l.key"
        query.page("l", collection, prefix, after)
        query.conditions.append(f"l.label = {query.value(where.labels[0])}")
    else:
        query.page("d", collection, prefix, after)
    query.filter(where)
    if where.expiring_before:
        text = query.by_day(tables, order, limit, collection, where.expiring_before)
    else:
        text = query.text(tables, order, limit)
    return [(key, body) for key, body in await connection.fetch(text, *query.values)]


async def _find_near(
    connection: Connection, collection: str, where: Where, *, prefix: str, after: str, limit: int
) -> list[tuple[str, bytes]]:
    """Return what is found among the next few documents: the right page if it is full."""
    query = _Query()
    query.page("d", collection, prefix, after)
    near = f"SELECT * FROM {DOCUMENTS} d WHERE {' AND '.join(query.conditions)} ORDER BY d.key LIMIT {NEAR * limit}"  # noqa: S608
    query.conditions = [f"d.expires_on > '' AND d.expires_on < {query.value(where.expiring_before)}"]
    query.filter(where)
    text = query.text(f"({near}) d", "d.key", limit)
    return [(key, body) for key, body in await connection.fetch(text, *query.values)]


def _after_all_with(prefix: str) -> str:
    """Return the smallest text greater than every text that starts with `prefix`, "" if there is none."""
    kept = prefix.rstrip("\U0010ffff")
    if not kept:
        return ""
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(0xE000 if following == 0xD800 else following)

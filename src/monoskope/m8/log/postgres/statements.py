"""The statements that write the log: the head, versions, the append itself, and how an unknown commit is looked for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from monoskope.m8.log.event_log import RecordedEvent
from monoskope.m8.log.postgres import documents, names
from monoskope.m8.log.postgres.connecting import Connection
from monoskope.m8.log.postgres.group import Group, Head
from monoskope.m8.log.postgres.schema import FORM, WRITE_TYPES

_TYPES = (
    *("bigint", "bytea", "bigint", "bytea", "bytea[]", "bigint[]", "bytea[]", "bigint[]", "bytea[]", "bytea[]"),
    *("bytea[]", "bytea[]", *WRITE_TYPES),
)
_APPEND = f"SELECT append_{FORM}({', '.join(f'${place}::{kind}' for place, kind in enumerate(_TYPES, start=1))})"
_HEAD = "SELECT position, hash, fence FROM head"


async def read_head(connection: Connection) -> Head:
    """Return the head of the log."""
    row = await connection.fetchrow(_HEAD)
    assert row is not None, "the head is one row"
    return Head(*row)


async def lock_head(connection: Connection) -> Head:
    """Return the head of the log, which stays as it is until the transaction ends."""
    row = await connection.fetchrow(f"{_HEAD} FOR UPDATE")
    assert row is not None, "the head is one row"
    return Head(*row)


async def versions(connection: Connection, streams: Iterable[str]) -> dict[str, int]:
    """Return the version of each stream, 0 for one without events."""
    found = dict.fromkeys(streams, 0)
    if not found:
        return found
    query = (
        "SELECT (SELECT max(version) FROM events WHERE stream = name) AS version "
        "FROM unnest($1::bytea[]) WITH ORDINALITY AS asked(name, place) ORDER BY place"
    )
    rows = await connection.fetch(query, [names.stored(name) for name in found])
    return {name: version or 0 for name, (version,) in zip(found, rows, strict=True)}


async def append(connection: Connection, group: Group) -> bool:
    """Record a group, and return whether the head and the streams were as it assumes."""
    recorded = group.recorded
    head = group.known.head
    sealed = {
        hashlib.sha256(piece.append.sealed).digest(): piece.append.sealed
        for piece in group.pieces
        if piece.error is None and piece.append.sealed is not None
    }
    status = await connection.fetchval(
        _APPEND,
        head.position,
        head.hash,
        head.fence,
        recorded[-1].hash,
        [names.stored(name) for name in group.assumed],
        list(group.assumed.values()),
        [names.stored(event.stream) for event in recorded],
        [event.version for event in recorded],
        [event.record for event in recorded],
        [event.hash for event in recorded],
        list(sealed),
        list(sealed.values()),
        *documents.arguments(group.changes),
    )
    return bool(status == 0)


async def resolve(connection: Connection, event: RecordedEvent) -> bool:
    """Return whether exactly this event is recorded, and see to it that what is not recorded now never will be."""
    await connection.execute("BEGIN")
    await lock_head(connection)
    query = "SELECT hash FROM events WHERE stream = $1 AND version = $2"
    found = await connection.fetchval(query, names.stored(event.stream), event.version)
    await connection.execute("UPDATE head SET fence = fence + 1")
    await connection.execute("COMMIT")
    return bool(found == event.hash)

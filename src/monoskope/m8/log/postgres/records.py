"""The records in the database: the names of streams, reading, appending, importing and checking them.

A commit whose end is unknown is looked for here, too (`resolve`). The names of streams of requests, as nearly all are,
take half the room.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence

from monoskope.m8.log import record
from monoskope.m8.log.documents import Which
from monoskope.m8.log.event_log import Look, RecordedEvent
from monoskope.m8.log.failures import has_own_events
from monoskope.m8.log.group import Group, Head
from monoskope.m8.log.postgres import documents
from monoskope.m8.log.postgres.connections import Connection
from monoskope.m8.log.postgres.schema import APPEND_ARGUMENTS, DOCUMENTS, FORM, places
from monoskope.m8.log.record import Following

_REQUEST = "upload/"
_MARK = b"\0"
"""Begins the short form. No other name begins with it: none has a NUL."""
_ID = 16


def stored(stream: str) -> bytes:
    """Return the one form in which `stream` is kept."""
    digits = stream.removeprefix(_REQUEST)
    if digits != stream and len(digits) == 2 * _ID and not digits.strip("0123456789abcdef"):
        return _MARK + bytes.fromhex(digits)
    return stream.encode()


def read_name(body: bytes) -> str | None:
    """Return the stream that is kept as `body`, None if none is."""
    stream = f"{_REQUEST}{body[1:].hex()}" if body.startswith(_MARK) else body.decode(errors="replace")
    return stream if stored(stream) == body else None


_APPEND = f"SELECT append_{FORM}({places(APPEND_ARGUMENTS)})"
_HEAD = "SELECT position, hash, fence FROM head"


SIZE = """
SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
"""
"""How many bytes the tables of the log take, with their indexes."""

_ERASE = "WITH gone AS (DELETE FROM sealed WHERE sha256 = ANY($1::bytea[]) RETURNING 1) SELECT count(*) FROM gone"

LEASE = """
INSERT INTO leases VALUES ($1, $2, clock_timestamp() + $3 * interval '1 millisecond')
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, ends = excluded.ends
WHERE leases.holder = excluded.holder OR leases.ends <= clock_timestamp()
OR leases.ends > clock_timestamp() + interval '1 minute' RETURNING true
"""
"""By the clock of the database. No lease is longer than a minute. One that ends later than that is from before the
clock was set back, as by a failover to a server with another clock: its holder may be gone."""


async def last_position(connection: Connection) -> int:
    """Return the last position, 0 if the log is empty."""
    return int(await connection.fetchval("SELECT position FROM head"))


async def read(connection: Connection, after: int, limit: int) -> list[RecordedEvent]:
    """Return events as `EventLog.read` does."""
    query = "SELECT position, record FROM events WHERE position > $1 ORDER BY position LIMIT $2"
    return [record.parse(position, row) for position, row in await connection.fetch(query, after, limit)]


_LOOK = f"""
SELECT asked.place, e.position, e.record FROM unnest($1::bytea[], $2::bigint[]) WITH ORDINALITY
  AS asked(name, after, place) CROSS JOIN LATERAL
  (SELECT position, version, record FROM events WHERE stream = asked.name AND version > asked.after OFFSET 0) e
UNION ALL
SELECT asked.place, 0, d.body FROM unnest($3::text[], $4::text[]) WITH ORDINALITY
  AS asked(collection, key, place) CROSS JOIN LATERAL
  (SELECT body FROM {DOCUMENTS} o WHERE o.collection = asked.collection AND o.key = asked.key OFFSET 0) d
ORDER BY 2
"""  # noqa: S608  it is made of names alone


async def look(connection: Connection, after: Mapping[str, int], which: Collection[Which]) -> Look:
    """Do what `EventLog.look` says."""
    events: dict[str, list[RecordedEvent]] = {stream: [] for stream in after}
    bodies: dict[Which, bytes | None] = dict.fromkeys(which)
    streams, wanted = list(after), [one for one in bodies if not documents.is_nowhere(one[1])]
    names, versions = [stored(stream) for stream in streams], list(after.values())
    collections, keys = [one for one, _ in wanted], [key for _, key in wanted]
    for place, position, row in await connection.fetch(_LOOK, names, versions, collections, keys):
        if position == 0:
            bodies[wanted[place - 1]] = row
        else:
            stream = streams[place - 1]
            events[stream].append(record.of_stream(record.parse(position, row), stream))
    return Look(events, bodies)


async def read_last(connection: Connection, streams: Sequence[str]) -> list[RecordedEvent | None]:
    """Return the last event of each stream, None for one without events."""
    query = (
        "SELECT e.position, e.record FROM unnest($1::bytea[]) WITH ORDINALITY AS asked(name, place) LEFT JOIN LATERAL "
        "(SELECT position, record FROM events WHERE stream = asked.name ORDER BY version DESC LIMIT 1) e ON true "
        "ORDER BY asked.place"
    )
    rows = await connection.fetch(query, [stored(stream) for stream in streams])
    return [
        None if position is None else record.of_stream(record.parse(position, row), stream)
        for stream, (position, row) in zip(streams, rows, strict=True)
    ]


async def read_head(connection: Connection, *, locked: bool = False) -> Head:
    """Return the head of the log; `locked`, it stays as it is until the transaction ends."""
    row = await connection.fetchrow(f"{_HEAD} FOR UPDATE" if locked else _HEAD)
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
    rows = await connection.fetch(query, [stored(name) for name in found])
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
        [stored(name) for name in group.assumed],
        list(group.assumed.values()),
        [stored(event.stream) for event in recorded],
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
    await read_head(connection, locked=True)
    query = "SELECT hash FROM events WHERE stream = $1 AND version = $2"
    found = await connection.fetchval(query, stored(event.stream), event.version)
    await connection.execute("UPDATE head SET fence = fence + 1")
    await connection.execute("COMMIT")
    return bool(found == event.hash)


IMPORTING = "importing"
"""The line of `meta` that stands as long as an import is not finished."""

PAGE = 200
"""Records that are checked at once, so that the event loop never waits long."""


async def import_records(connection: Connection, records: Sequence[bytes], sealed: Sequence[bytes]) -> None:
    """Add records as `EventLog.import_records` does, in one transaction."""
    await connection.execute("BEGIN")
    head = await read_head(connection, locked=True)
    if not await _is_importing(connection):
        if head.position > 0:
            raise has_own_events()
        await connection.execute("INSERT INTO meta VALUES ($1, 'yes')", IMPORTING)
    events = await _follow(connection, head, records)
    await insert(connection, [(one.position, one.version, one.stream, one.hash, one.record) for one in events])
    if events:
        last = events[-1]
        await connection.execute("UPDATE head SET position = $1, hash = $2", last.position, last.hash)
    await connection.execute(
        "INSERT INTO sealed SELECT * FROM unnest($1::bytea[], $2::bytea[]) ON CONFLICT DO NOTHING",
        [hashlib.sha256(body).digest() for body in sealed],
        list(sealed),
    )
    await connection.execute("COMMIT")


async def insert(connection: Connection, rows: Sequence[tuple[int, int, str, bytes, bytes]]) -> None:
    """Add rows to the events: position, version, stream, hash and record of each.

    The large ones first: the small ones fill what these leave of their pages. In the order of positions, and by COPY,
    a sixth of the room stays empty.
    """
    if not rows:
        return
    at, versions, streams, digests, records = zip(*rows, strict=True)
    await connection.execute(
        "INSERT INTO events SELECT * FROM unnest($1::bigint[], $2::integer[], $3::bytea[], $4::bytea[], $5::bytea[]) "
        "AS e(position, version, stream, hash, record) ORDER BY octet_length(e.record) DESC",
        at,
        versions,
        [stored(stream) for stream in streams],
        digests,
        records,
    )


async def _follow(connection: Connection, head: Head, records: Sequence[bytes]) -> list[RecordedEvent]:
    """Return the records as events. Raises `LogTamperedError` unless each follows the one before it."""
    following = Following(head.position, head.hash)
    events = [following.take(body) for body in records]
    known = await versions(connection, {event.stream for event in events})
    for event in events:
        record.check_version(event, known[event.stream])
        known[event.stream] = event.version
    return events


async def check_unfinished(connection: Connection) -> None:
    """Raise `ConflictError` if the log has events that no import brought."""
    if await _is_importing(connection):
        return
    if (await read_head(connection)).position > 0:
        raise has_own_events()


async def finish(connection: Connection, log_id: str) -> int:
    """Give the log the id `log_id`, "" for its own, mark the import as finished, and return the last position."""
    async with connection.transaction():
        if log_id:
            await connection.execute("UPDATE meta SET value = $1 WHERE name = 'log-id'", log_id)
        await connection.execute("DELETE FROM meta WHERE name = $1", IMPORTING)
    # Statistics come by themselves only later, and the first queries would be planned without them.
    await connection.execute("ANALYZE events, sealed")
    return (await read_head(connection)).position


async def _is_importing(connection: Connection) -> bool:
    return await connection.fetchval("SELECT 1 FROM meta WHERE name = $1", IMPORTING) is not None


async def check_chain(connection: Connection) -> int:
    """Check the whole log in one snapshot, through a cursor of the server. Raises `LogTamperedError`."""
    chain = record.Chain()
    query = "SELECT position, stream, version, hash, record FROM events ORDER BY position"
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        cursor = await connection.cursor(query)
        while rows := await cursor.fetch(PAGE):
            for position, stream, version, digest, one in rows:
                chain.follow((position, read_name(stream), version, digest), one)
        head = await read_head(connection)
        chain.finish(head.position, head.hash)
    return chain.position


async def erase(connection: Connection, piece: Sequence[bytes]) -> int:
    """Erase sealed bytes by their SHA-256, and return how many rows there were."""
    return int(await connection.fetchval(_ERASE, piece))


async def try_write(connection: Connection, name: str, body: bytes) -> None:
    """Commit a table `name` that held `body`, and is gone by then.

    In a table of its own, because the others may have room of rows that are gone, which would say nothing of the disk;
    and what could not be written whole gives its room back at once. Unlogged: tried again and again, it would fill the
    server's write-ahead log, and a server that has no room for that ends.
    """
    await connection.execute("BEGIN")
    await connection.execute(f"CREATE UNLOGGED TABLE {name} (body bytea NOT NULL)")
    await connection.execute(f"INSERT INTO {name} VALUES ($1)", body)  # noqa: S608  m8 made the name
    await connection.execute(f"DROP TABLE {name}")
    await connection.execute("COMMIT")

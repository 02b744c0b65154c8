"""Adding records byte for byte to a log that has no other events, and checking the whole log."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from monoskope.m8.log import record
from monoskope.m8.log.event_log import LogTamperedError, RecordedEvent
from monoskope.m8.log.imports import Following, has_own_events
from monoskope.m8.log.postgres import names, statements
from monoskope.m8.log.postgres.connecting import Connection
from monoskope.m8.log.postgres.group import Head

IMPORTING = "importing"
"""The line of `meta` that stands as long as an import is not finished."""

PAGE = 200
"""Records that are checked at once, so that the event loop never waits long."""


async def import_records(connection: Connection, records: Sequence[bytes], sealed: Sequence[bytes]) -> None:
    """Add records as `EventLog.import_records` does, in one transaction."""
    await connection.execute("BEGIN")
    head = await statements.lock_head(connection)
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
        [names.stored(stream) for stream in streams],
        digests,
        records,
    )


async def _follow(connection: Connection, head: Head, records: Sequence[bytes]) -> list[RecordedEvent]:
    """Return the records as events. Raises `LogTamperedError` unless each follows the one before it."""
    following = Following(head.position, head.hash)
    events = [following.take(body) for body in records]
    versions = await statements.versions(connection, {event.stream for event in events})
    for event in events:
        if event.version != versions[event.stream] + 1:
            raise LogTamperedError(event.position, "its stream misses a version")
        versions[event.stream] = event.version
    return events


async def check_unfinished(connection: Connection) -> None:
    """Raise `ConflictError` if the log has events that no import brought."""
    if await _is_importing(connection):
        return
    if (await statements.read_head(connection)).position > 0:
        raise has_own_events()


async def finish(connection: Connection, log_id: str) -> int:
    """Give the log the id `log_id`, "" for its own, mark the import as finished, and return the last position."""
    async with connection.transaction():
        if log_id:
            await connection.execute("UPDATE meta SET value = $1 WHERE name = 'log-id'", log_id)
        await connection.execute("DELETE FROM meta WHERE name = $1", IMPORTING)
    # Statistics come by themselves only later, and the first queries would be planned without them.
    await connection.execute("ANALYZE events, sealed")
    return (await statements.read_head(connection)).position


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
                chain.follow((position, names.read(stream), version, digest), one)
        head = await statements.read_head(connection)
        chain.finish(head.position, head.hash)
    return chain.position

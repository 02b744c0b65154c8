"""Adding records byte for byte to a log that has no other events, and checking the whole log."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from monoskope.errors import ConflictError
from monoskope.m8.log import record
from monoskope.m8.log.event_log import LogTamperedError, RecordedEvent
from monoskope.m8.log.postgres import statements
from monoskope.m8.log.postgres.connecting import Connection
from monoskope.m8.log.postgres.connections import LONG_S, deadline

IMPORTING = "importing"
"""The line of `meta` that stands as long as an import is not finished."""

PAGE = 200
"""Records that are checked at once, so that the event loop never waits long."""


async def import_records(connection: Connection, records: Sequence[bytes], sealed: Sequence[bytes]) -> None:
    """Add records as `EventLog.import_records` does, in one transaction."""
    with deadline(connection, LONG_S):
        await connection.execute("BEGIN")
        head = await statements.lock_head(connection)
        if not await connection.fetchval("SELECT 1 FROM meta WHERE name = $1", IMPORTING):
            if head.position > 0:
                raise ConflictError("the log has events already.", fix="Import into an empty database.")
            await connection.execute("INSERT INTO meta VALUES ($1, 'yes')", IMPORTING)
        events = await _follow(connection, head.position, head.hash, records)
        rows = [(event.position, event.stream, event.version, event.record, event.hash) for event in events]
        await connection.copy_records_to_table("events", records=rows)
        if events:
            last = events[-1]
            await connection.execute("UPDATE head SET position = $1, hash = $2", last.position, last.hash)
        await connection.execute(
            "INSERT INTO sealed SELECT * FROM unnest($1::bytea[], $2::bytea[]) ON CONFLICT DO NOTHING",
            [hashlib.sha256(body).digest() for body in sealed],
            list(sealed),
        )
        await connection.execute("COMMIT")


async def _follow(
    connection: Connection, position: int, previous: bytes, records: Sequence[bytes]
) -> list[RecordedEvent]:
    """Parse records and check that each follows the one before it."""
    events = []
    for position, one in enumerate(records, start=position + 1):  # noqa: B020, PLR1704  it goes on from there
        event = record.parse(position, one)
        if event.previous_hash != previous:
            raise LogTamperedError(position, "the record does not name the hash of the one before it")
        previous = event.hash
        events.append(event)
    versions = await statements.versions(connection, {event.stream for event in events})
    for event in events:
        if event.version != versions[event.stream] + 1:
            raise LogTamperedError(event.position, "its stream misses a version")
        versions[event.stream] = event.version
    return events


async def finish(connection: Connection) -> int:
    """Say that the import is finished, and return the last position."""
    await connection.execute("DELETE FROM meta WHERE name = $1", IMPORTING)
    return (await statements.read_head(connection)).position


async def check_chain(connection: Connection) -> int:
    """Check the whole log in one snapshot, through a cursor of the server. Raises `LogTamperedError`."""
    chain = record.Chain()
    query = "SELECT position, stream, version, hash, record FROM events ORDER BY position"
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        cursor = await connection.cursor(query)
        while rows := await cursor.fetch(PAGE):
            for position, stream, version, digest, one in rows:
                chain.follow((position, stream, version, digest), one)
        head = await statements.read_head(connection)
        chain.finish(head.position, head.hash)
    return chain.position

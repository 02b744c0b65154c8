"""Making the documents from the events again, while others append: beside the live tables, which they then replace.

One rebuild fills those tables at a time: its own session holds a lock of the server, to its end. A lease would not do:
a process that stood still goes on when its lease is another's.

The appends wait while the last few events are replayed and the tables change their names, for 50 milliseconds at most:
the lock on the head is given back, and all of it tried again, when readers of the old tables hold that up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import asyncpg

from monoskope.errors import UnavailableError
from monoskope.m8.log.documents import Which
from monoskope.m8.log.event_log import LogTamperedError, Projector, RecordedEvent
from monoskope.m8.log.failures import rebuilding
from monoskope.m8.log.group import Projection
from monoskope.m8.log.postgres import documents, records
from monoskope.m8.log.postgres.connections import LONG_S, Connection, deadline
from monoskope.m8.log.postgres.failures import FAILURES
from monoskope.m8.log.postgres.records import last_position, read
from monoskope.m8.log.postgres.schema import (
    DOCUMENT_INDEXES,
    DOCUMENT_TABLES,
    DOCUMENTS,
    FORM,
    LABELS,
    NEXT,
    OLD,
    WRITE_ARGUMENTS,
    places,
)

BATCH = 250
"""Events that are replayed at once: the event loop of an m8 that serves waits for no more."""

FEW = 20
"""So many events at most are left when the head is locked."""

KEPT = 100_000
"""Documents that are remembered between two batches; then memory is cleared."""

TRIES = 200
"""How often the change from the old tables to the new ones is tried."""

LOCK_TIMEOUT_MS = 10
"""How long the change waits for readers of each of the two old tables, with the head locked."""

_WRITE = f"SELECT write_next_{FORM}({places(WRITE_ARGUMENTS)})"

_SWAP = f"""
ALTER TABLE {DOCUMENTS} RENAME TO {DOCUMENTS}{OLD}; ALTER TABLE {DOCUMENTS}{NEXT} RENAME TO {DOCUMENTS};
ALTER TABLE {LABELS} RENAME TO {LABELS}{OLD}; ALTER TABLE {LABELS}{NEXT} RENAME TO {LABELS};
UPDATE head SET fence = fence + 1;
"""  # noqa: S608  it is made of the names above alone

_LOCK = 0x6D386C72
"""The first half of the advisory lock of a rebuild; the second half is of the schema that the tables lie in."""

_TAKE = f"SELECT pg_try_advisory_lock({_LOCK}, hashtext(current_schema()))"
_GIVE_BACK = f"SELECT pg_advisory_unlock({_LOCK}, hashtext(current_schema()))"

_KEEPALIVE = "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 4"
"""The server ends the session, and its lock, half a minute after the machine of the rebuild has gone."""

_DROP = f"DROP TABLE IF EXISTS {', '.join(name + end for name in (DOCUMENTS, LABELS) for end in (NEXT, OLD))}"


class Rebuild:
    """One rebuild, on a connection of its own.

    Args:
        connection: Used for nothing else meanwhile.
        projector: What events change.
    """

    def __init__(self, connection: Connection, projector: Projector) -> None:
        self._connection = connection
        self._projector = projector
        self._known: dict[Which, bytes | None] = {}
        self.position = 0
        """The last event that was replayed."""

    async def begin(self) -> None:
        """Make empty tables, and drop what a rebuild left behind that did not end.

        Raises:
            ConflictError: another session still rebuilds.
        """
        with deadline(self._connection, LONG_S):
            await self._connection.execute(_KEEPALIVE)
            if not await self._connection.fetchval(_TAKE):
                raise rebuilding()
            await self._connection.execute(_DROP)
            await self._connection.execute(DOCUMENT_TABLES.format(documents=DOCUMENTS + NEXT, labels=LABELS + NEXT))

    async def step(self) -> bool:
        """Replay one batch, and return whether more than a few events are left."""
        with deadline(self._connection, LONG_S):
            head = await last_position(self._connection)
            await self._replay(head)
        return head - self.position > FEW

    async def _replay(self, head: int) -> None:
        events = await read(self._connection, self.position, min(BATCH, max(1, head - self.position)))
        if head > self.position and (not events or events[0].position != self.position + 1):
            raise LogTamperedError(self.position + 1, "the record is missing")
        if not events:
            return
        projection = await self._project(events)
        changes = list(projection.changes.values())
        await self._connection.execute(_WRITE, *documents.arguments(changes))
        if len(self._known) > KEPT:
            self._known.clear()
        self._known.update({(one.collection, one.key): getattr(one, "body", None) for one in changes})
        self.position = events[-1].position

    async def _project(self, events: Sequence[RecordedEvent]) -> Projection:
        """Replay the events in memory, reading all documents that are missed at once."""
        projection = Projection(self._projector, self._known)
        pieces = [[event] for event in events]
        while True:
            projection.begin()
            for index, piece in enumerate(pieces):
                try:
                    projection.project(index, piece)
                except Exception:
                    if not projection.missed:  # otherwise it may be without cause
                        raise
            if not projection.missed:
                return projection
            self._known.update(await documents.read_many(self._connection, projection.missed, table=DOCUMENTS + NEXT))

    async def index(self) -> None:
        """Make the indexes, dense, and let the planner know the new tables, before they are read."""
        documents, labels = DOCUMENTS + NEXT, LABELS + NEXT
        with deadline(self._connection, LONG_S):
            await self._connection.execute(f"REINDEX TABLE {documents}")
            await self._connection.execute(f"REINDEX TABLE {labels}")
            await self._connection.execute(DOCUMENT_INDEXES.format(documents=documents))
            await self._connection.execute(f"ANALYZE {documents}, {labels}")

    async def swap(self) -> bool:
        """Replay what is left and put the new tables in the place of the old; return False to try it again."""
        connection = self._connection
        position, known = self.position, dict(self._known) if len(self._known) < FEW else None
        try:
            with deadline(connection):
                await connection.execute(f"BEGIN; SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
                head = await records.read_head(connection, locked=True)
                if head.position - self.position > FEW:
                    await connection.execute("ROLLBACK")
                    return False
                while self.position < head.position:
                    await self._replay(head.position)
                await connection.execute(_SWAP)
                await connection.execute("COMMIT")
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            await connection.execute("ROLLBACK")
            self.position, self._known = position, known or {}
            return False
        return True

    async def end(self) -> None:
        """Drop the old tables, and let others rebuild at once: the server notices late that a session has ended."""
        with deadline(self._connection, LONG_S):
            await self._connection.execute(_DROP)
            await self._connection.execute(_GIVE_BACK)


def never_quiet() -> UnavailableError:
    """Return the error of a rebuild whose tables could not take the place of the old ones."""
    return UnavailableError(
        "the rebuilt read models could not take the place of the old ones: something reads those without a pause.",
        fix="Look for a long transaction in pg_stat_activity, end it, and rebuild again.",
    )


async def run(connection: Connection, /, *, projector: Projector) -> int:
    """Rebuild on a connection of its own, and return the number of events replayed. Raises `ConflictError`."""
    rebuild = Rebuild(connection, projector)
    await rebuild.begin()
    try:
        while await rebuild.step():
            pass
        await finish(rebuild)
        await rebuild.end()
    except Exception:
        # What it has made is dropped: on a full disk that is the room that everything else waits for.
        with contextlib.suppress(*FAILURES), deadline(connection, LONG_S):
            if connection.is_in_transaction():
                await connection.execute("ROLLBACK")
            await rebuild.end()
        raise
    return rebuild.position


async def finish(rebuild: Rebuild) -> None:
    """Bring a rebuild that has replayed most of the log to its end."""
    await rebuild.index()
    for attempt in range(TRIES):
        while await rebuild.step():
            pass
        if await rebuild.swap():
            return
        await asyncio.sleep(min(0.002 * attempt, 0.1))
    raise never_quiet()

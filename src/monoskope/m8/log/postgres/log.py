"""The event log in PostgreSQL, which any number of m8 on any number of machines may open at once.

One row, the head, is compared and set by each group of appends, so positions have no gap that a reader could skip.
Why this way: docs/adr/0031-postgresql.md.
"""

# ruff: noqa: D102  every method is documented by EventLog
from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from monoskope.errors import Error, UnavailableError
from monoskope.event_loop import heeded
from monoskope.failpoints import failpoints
from monoskope.m8.log import cursor, record
from monoskope.m8.log.cursor import Cursor
from monoskope.m8.log.documents import Where
from monoskope.m8.log.event_log import EventLog, LogTamperedError, NewEvent, Projector, RecordedEvent, no_documents
from monoskope.m8.log.failures import check_limit, closed
from monoskope.m8.log.postgres import connecting, connections, documents, follower, imports, rebuild, schema, upkeep
from monoskope.m8.log.postgres.connecting import Connection
from monoskope.m8.log.postgres.connections import LONG_S, STATEMENT_S, Connector, Pool, deadline
from monoskope.m8.log.postgres.failures import FAILURES, explain
from monoskope.m8.log.postgres.follower import Follower
from monoskope.m8.log.postgres.group import Append
from monoskope.m8.log.postgres.target import PostgresTarget
from monoskope.m8.log.postgres.tree import PostgresTreeRows
from monoskope.m8.log.postgres.writer import Writer

T = TypeVar("T")

PAGE = 256
"""Events that a subscription reads at once."""

REBUILD_LEASE = "log-rebuild"
"""The lease that lets one rebuild run at a time."""

REBUILD_TTL_MS = 60_000
"""How long that lease lasts from each batch of a rebuild on."""


PROBE_S = 20.0
"""How long `try_write` may take: a slow line takes a while for the largest event, which makes m8 not unready."""


class PostgresLog(PostgresTreeRows, EventLog):
    """An `EventLog` in one PostgreSQL database. Made by `open`."""

    def __init__(
        self,
        target: PostgresTarget,
        *,
        clock: Callable[[], int],
        projector: Projector,
        measured: Callable[[int, float], None],
    ) -> None:
        self._projector = projector
        self._closed = False
        self._signals: set[asyncio.Event] = set()
        self._writes: set[asyncio.Task[Any]] = set()
        connector = self._connector = Connector(target)
        self._pool = Pool(connector)
        self._follower = Follower(connector, self._pool, self._wake)
        self._writer = Writer(
            connector, projector=projector, clock=clock, recorded=self._follower.recorded, measured=measured
        )

    @classmethod
    async def open(
        cls,
        target: PostgresTarget,
        *,
        clock: Callable[[], int],
        projector: Projector = no_documents,
        measured: Callable[[int, float], None] = lambda _appends, _seconds: None,
        for_import: bool = False,
    ) -> PostgresLog:
        """Open the log in a database, creating its tables if the database is empty.

        Args:
            target: The database, on one or more hosts of which one takes writes.
            clock: Milliseconds since 1970, called on the event loop.
            projector: What events change in the documents, called on the event loop.
            measured: Called after each committed group with the number of its appends and the seconds it took.
            for_import: Whether it is opened to be imported into, and may be a log whose import is not finished.

        Raises:
            UsageError: it is something else, or a newer m8 wrote it.
            ConflictError: its import is not finished.
            Error: as `connecting.connect`.
        """
        connection = await connecting.connect(target)
        try:
            with connecting.explained(target), deadline(connection, 10 * STATEMENT_S):
                await schema.prepare(connection, target, for_import=for_import)
        finally:
            connection.terminate()
        return cls(target, clock=clock, projector=projector, measured=measured)

    @property
    def write_failure(self) -> Error | None:
        return self._writer.failure

    async def size_bytes(self) -> int:
        return await self._read(upkeep.size_bytes)

    async def try_write(self, body: bytes) -> None:
        name = f"m8_probe_{secrets.token_hex(8)}"
        await self._write(lambda connection: upkeep.try_write(connection, name, body), seconds=PROBE_S)

    async def schema_state(self) -> str:
        return await self._read(schema.state)

    async def append(
        self,
        stream: str,
        expected_version: int | None,
        events: Sequence[NewEvent],
        *,
        actor: str,
        sealed: bytes | None = None,
    ) -> list[RecordedEvent]:
        record.check(stream, expected_version, events, actor)
        self._check_open()
        kinds = [event.type for event in events]
        failpoints("m8.before-append", kinds)
        done = await self._writer.append(Append(stream, expected_version, events, actor, sealed))
        failpoints("m8.after-append", kinds)
        return done

    async def read_stream(self, stream: str, *, after_version: int = 0) -> list[RecordedEvent]:
        return await self._read(lambda connection: follower.read_stream(connection, stream, after_version))

    async def read_streams(self, after: Mapping[str, int]) -> dict[str, list[RecordedEvent]]:
        return await self._read(lambda connection: follower.read_streams(connection, after))

    async def read_last(self, streams: Sequence[str]) -> list[RecordedEvent | None]:
        return await self._read(lambda connection: follower.read_last(connection, streams))

    async def read(self, *, after: int, limit: int) -> list[RecordedEvent]:
        check_limit(limit)
        return await self._read(lambda connection: follower.read(connection, after, limit))

    async def subscribe(self, *, after: int) -> AsyncGenerator[RecordedEvent, None]:
        signal = asyncio.Event()
        self._signals.add(signal)
        tail = self._follower.tail
        is_at_end = False
        try:
            while not self._closed:
                self._follower.start()
                # Cleared before the read: an event that is recorded after it sets it again, so no wake-up is lost.
                signal.clear()
                # Older events come from the database, where their reader notices damage.
                events = tail.after(after) if is_at_end else []
                if not events and (not is_at_end or tail.last > after):
                    events = await self._next_page(after)
                for event in events:
                    if event.position != after + 1:
                        raise LogTamperedError(after + 1, "the record is missing")
                    after = event.position
                    yield event
                if len(events) < PAGE:
                    is_at_end = True
                    await signal.wait()
        finally:
            self._signals.discard(signal)

    async def _next_page(self, after: int) -> list[RecordedEvent]:
        return [] if self._closed else await self.read(after=after, limit=PAGE)

    async def head(self) -> int:
        return await self._read(follower.last_position)

    async def sealed(self, sha256: bytes) -> bytes | None:
        return await self._read(lambda connection: upkeep.sealed(connection, sha256))

    async def erase_sealed(self, sha256s: Iterable[bytes]) -> int:
        self._check_open()
        erased = 0
        left = sorted(set(sha256s))
        for start in range(0, len(left), upkeep.PIECE):
            piece = left[start : start + upkeep.PIECE]
            erased += await self._write(partial(upkeep.erase_sealed, sha256s=piece))
        if erased:
            # The rows are gone; this gives their space back, and cannot run in a transaction.
            await self._alone(lambda connection: connection.execute("VACUUM sealed"))
        return erased

    async def get(self, collection: str, key: str) -> bytes | None:
        return await self._read(lambda connection: documents.get(connection, collection, key))

    async def scan(self, collection: str, *, prefix: str = "", after: str = "", limit: int) -> list[tuple[str, bytes]]:
        check_limit(limit)
        return await self._read(
            lambda connection: documents.scan(connection, collection, prefix=prefix, after=after, limit=limit)
        )

    async def find(
        self, collection: str, where: Where, *, prefix: str = "", after: str = "", limit: int
    ) -> list[tuple[str, bytes]]:
        check_limit(limit)
        return await self._read(
            lambda connection: documents.find(connection, collection, where, prefix=prefix, after=after, limit=limit)
        )

    async def rebuild(self) -> int:
        holder = secrets.token_hex(8)

        async def work(connection: Connection) -> int:
            rebuilding = rebuild.Rebuild(connection, self._projector)
            await rebuilding.begin()
            try:
                while await rebuilding.step():
                    await self.lease(REBUILD_LEASE, holder, ttl_ms=REBUILD_TTL_MS)
                await rebuild.finish(rebuilding)
                await rebuilding.end()
            except Exception:
                await rebuild.give_up(rebuilding, connection)
                raise
            return rebuilding.position

        if not await self.lease(REBUILD_LEASE, holder, ttl_ms=REBUILD_TTL_MS):
            raise rebuild.busy()
        try:
            return await self._alone(work)
        finally:
            await self.release(REBUILD_LEASE, holder)

    async def check_chain(self) -> int:
        return await self._alone(imports.check_chain)

    async def beat(self, key: str, at_ms: int, note: bytes = b"") -> None:
        await self._write(lambda connection: upkeep.beat(connection, key, at_ms, note))

    async def beats(self) -> dict[str, int]:
        return await self._read(upkeep.beats)

    async def beat_notes(self) -> dict[str, bytes]:
        return await self._read(upkeep.beat_notes)

    async def forget_beat(self, key: str) -> None:
        await self._write(lambda connection: upkeep.forget_beat(connection, key))

    async def lease(self, name: str, holder: str, *, ttl_ms: int) -> bool:
        return await self._write(lambda connection: upkeep.lease(connection, name, holder, ttl_ms))

    async def release(self, name: str, holder: str) -> None:
        await self._write(lambda connection: upkeep.release(connection, name, holder))

    async def cursor(self, name: str) -> Cursor | None:
        return await self._read(lambda connection: upkeep.cursor(connection, name))

    async def move_cursor(self, name: str, was: Cursor | None, now: Cursor) -> bool:
        cursor.check(name, now)
        return await self._write(lambda connection: upkeep.move_cursor(connection, name, was, now))

    async def import_records(self, records: Sequence[bytes], sealed: Sequence[bytes] = ()) -> None:
        await self._alone(lambda connection: imports.import_records(connection, records, sealed))

    async def finish_import(self, *, log_id: str = "") -> int:
        await self._read(imports.check_unfinished)
        await self.rebuild()
        return await self._alone(lambda connection: imports.finish(connection, log_id))

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._wake()
        await self._writer.close()
        await self._follower.close()
        if self._writes:
            await asyncio.wait(self._writes, timeout=connections.CLOSE_S)
        await self._pool.close()

    def _wake(self) -> None:
        for signal in self._signals:
            signal.set()

    async def _read(self, use: Callable[[Connection], Awaitable[T]]) -> T:
        self._check_open()
        return await self._pool.run(use)

    async def _alone(self, use: Callable[[Connection], Awaitable[T]]) -> T:
        """Run once what takes long, on a connection of its own."""
        self._check_open()
        connection = await self._connector.connect()
        try:
            with deadline(connection, LONG_S):
                return await use(connection)
        except FAILURES as error:
            raise explain(error, self._connector.target) from None
        finally:
            connection.terminate()

    async def _write(self, use: Callable[[Connection], Awaitable[T]], *, seconds: float = STATEMENT_S) -> T:
        """Run what writes to its end, even if the caller is cancelled: no commit is ever cancelled."""
        self._check_open()
        task = asyncio.ensure_future(self._pool.run(use, seconds=seconds))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)
        heeded(task)
        try:
            return await asyncio.shield(task)
        except UnavailableError as error:
            self._writer.failure = error
            raise

    def _check_open(self) -> None:
        if self._closed:
            raise closed()

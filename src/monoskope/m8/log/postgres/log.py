"""The event log in PostgreSQL, which any number of m8 on any number of machines may open at once.

One row, the head, is compared and set by each group of appends, so positions have no gap that a reader could skip.
Why this way: docs/adr/0031-postgresql.md.
"""

# ruff: noqa: D102  every method is documented by EventLog
from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from monoskope.errors import Error, UnavailableError
from monoskope.event_loop import heeded
from monoskope.m8.log.documents import Where, Which
from monoskope.m8.log.event_log import Look, Projector, RecordedEvent, no_documents
from monoskope.m8.log.failures import check_limit
from monoskope.m8.log.postgres import connections, documents, rebuild, records, schema
from monoskope.m8.log.postgres.connections import LONG_S, STATEMENT_S, Connection, Pool, deadline, reconnect
from monoskope.m8.log.postgres.failures import FAILURES, explain
from monoskope.m8.log.postgres.notifications import Follower
from monoskope.m8.log.postgres.records import import_records
from monoskope.m8.log.postgres.target import PostgresTarget
from monoskope.m8.log.postgres.writer import Writer
from monoskope.m8.log.record import Append
from monoskope.m8.log.sql import SqlLog
from monoskope.m8.log.tree_rows import Row, Steps

T = TypeVar("T")

PIECE = 200
"""How many sealed bytes are erased in one transaction."""

PROBE_S = 20.0
"""How long `try_write` may take: a slow line takes a while for the largest event, which makes m8 not unready."""


_LOCK = 0x6D386C74
"""The advisory lock ("m8lt"), held to the end of one transaction, under which names are given and sizes claimed."""


class PostgresLog(SqlLog):
    """An `EventLog` in one PostgreSQL database. Made by `open`."""

    def __init__(
        self,
        target: PostgresTarget,
        *,
        clock: Callable[[], int],
        projector: Projector,
        measured: Callable[[int, float], None],
    ) -> None:
        super().__init__()
        self._target = target
        self._projector = projector
        self._writes: set[asyncio.Task[Any]] = set()
        self._pool = Pool(target)
        self._follower = Follower(partial(reconnect, target), self._tail, self._pool, self._wake, self._is_own)
        self._writer = Writer(
            target, projector=projector, clock=clock, recorded=self._follower.recorded, measured=measured
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
            Error: as `connections.connect`.
        """
        connection = await connections.connect(target)
        try:
            with connections.explained(target), deadline(connection, 10 * STATEMENT_S):
                await schema.prepare(connection, target, for_import=for_import)
        finally:
            connection.terminate()
        return cls(target, clock=clock, projector=projector, measured=measured)

    @property
    def write_failure(self) -> Error | None:
        return self._writer.failure

    async def size_bytes(self) -> int:
        return int((await self._fetch(records.SIZE))[0][0])

    async def try_write(self, body: bytes) -> None:
        name = f"m8_probe_{secrets.token_hex(8)}"
        await self._write(lambda connection: records.try_write(connection, name, body), seconds=PROBE_S)

    async def schema_state(self) -> str:
        return await self._read(schema.state)

    async def _append(self, append: Append) -> list[RecordedEvent]:
        return await self._writer.append(append)

    async def look(self, after: Mapping[str, int], documents: Collection[Which] = ()) -> Look:
        return await self._read(lambda connection: records.look(connection, after, documents))

    async def read_last(self, streams: Sequence[str]) -> list[RecordedEvent | None]:
        return await self._read(lambda connection: records.read_last(connection, streams))

    async def erase_sealed(self, sha256s: Iterable[bytes]) -> int:
        self._check_open()
        erased = 0
        left = sorted(set(sha256s))
        for start in range(0, len(left), PIECE):
            erased += await self._write(partial(records.erase, piece=left[start : start + PIECE]))
        if erased:
            # The rows are gone; this gives their space back, and cannot run in a transaction.
            await self._long(lambda connection: connection.execute("VACUUM sealed"))
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
        return await self._long(partial(rebuild.run, projector=self._projector))

    async def check_chain(self) -> int:
        return await self._long(records.check_chain)

    async def lease(self, name: str, holder: str, *, ttl_ms: int) -> bool:
        return bool(await self._write(lambda connection: connection.fetchval(records.LEASE, name, holder, ttl_ms)))

    async def import_records(self, records: Sequence[bytes], sealed: Sequence[bytes] = ()) -> None:
        await self._long(lambda connection: import_records(connection, records, sealed))

    async def finish_import(self, *, log_id: str = "") -> int:
        await self._read(records.check_unfinished)
        await self.rebuild()
        return await self._long(lambda connection: records.finish(connection, log_id))

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

    def _last_seen(self) -> int:
        return self._tail.last

    def _is_own(self, pid: int) -> bool:
        return self._writer.is_own(pid)

    def _following(self) -> contextlib.AbstractContextManager[object]:
        self._follower.start()
        return contextlib.nullcontext()

    async def _fetch(self, statement: str, *values: object) -> list[Row]:
        return [tuple(row) for row in await self._read(lambda connection: connection.fetch(statement, *values))]

    async def _execute(self, statement: str, *values: object) -> None:
        await self._write(lambda connection: connection.execute(statement, *values))

    async def _alone(self, steps: Callable[[], Steps[T]]) -> T:
        async def use(connection: Connection) -> T:
            async with connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
                return await _run(connection, steps())

        return await self._write(use)

    async def _read(self, use: Callable[[Connection], Awaitable[T]]) -> T:
        self._check_open()
        return await self._pool.run(use)

    async def _long(self, use: Callable[[Connection], Awaitable[T]]) -> T:
        """Run once what takes long, on a connection of its own."""
        self._check_open()
        connection = await reconnect(self._target)
        try:
            with deadline(connection, LONG_S):
                return await use(connection)
        except FAILURES as error:
            raise explain(error, self._target) from None
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


async def _run(connection: Connection, steps: Steps[T]) -> T:
    try:
        statement, values = next(steps)
        while True:
            statement, values = steps.send([tuple(row) for row in await connection.fetch(statement, *values)])
    except StopIteration as done:
        result: T = done.value
        return result

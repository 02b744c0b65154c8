"""Writing: appends that wait at the same time are recorded by one call, in one transaction.

The head of the log is one row, which each group compares and sets: it is the fence against other writers. What is known
of the database at the last head is kept in memory, so that a process that writes alone needs one trip a group. A group
that finds another head locks it and reads again, in statements of their own: a statement that waits for the lock would
still see what was there before it waited.

No commit is ever cancelled. A commit whose end is unknown is looked for under the head's lock, in a
transaction that writes, too: when that one is confirmed, so is everything before it. It also raises the fence, so that
a call which still lies on its way somewhere finds another head than it expects.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from monoskope.errors import Error
from monoskope.failpoints import failpoint
from monoskope.m8.log.event_log import Projector, RecordedEvent, UnknownAppendError
from monoskope.m8.log.failures import closed
from monoskope.m8.log.group import Group, Known
from monoskope.m8.log.postgres import connections, documents, records
from monoskope.m8.log.postgres.connections import Connection, close, deadline, reconnect
from monoskope.m8.log.postgres.failures import FAILURES, explain, is_lost, is_of_data
from monoskope.m8.log.postgres.target import PostgresTarget
from monoskope.m8.log.record import Append
from monoskope.m8.log.sql import settle

MAX_GROUP = 128
"""How many appends one call records at most, so that its first one does not wait long."""

MAX_BYTES = 16_777_216
"""About how many bytes one call records at most, besides its first append: they must be there within its deadline."""

RESOLVE_S = 30.0
"""How long an append waits to learn how its commit ended, while the database is away: longer than a failover takes."""

RETRY_S = 0.2
"""How long it waits between two attempts to learn that."""

_SESSION = (
    "SET plan_cache_mode = force_generic_plan; SET idle_in_transaction_session_timeout = '3s'; "
    "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off"
)
"""One plan for groups of any size, by indexes alone: it is kept, so it must not be one that is good for a young table,
which is read whole. And a process that stops while it has the head locked loses the lock."""


class UnacknowledgedError(ConnectionError):
    """The server warned while it committed: a standby may not have it."""


class Writer:
    """Records appends, one group after the other.

    Args:
        target: The database.
        projector: What events change in the documents.
        clock: Milliseconds since 1970.
        recorded: Called on the event loop with the events of each group that was committed.
        measured: Called with the number of appends of each group that was committed, and the seconds it took.
    """

    def __init__(
        self,
        target: PostgresTarget,
        *,
        projector: Projector,
        clock: Callable[[], int],
        recorded: Callable[[Sequence[RecordedEvent]], None],
        measured: Callable[[int, float], None],
    ) -> None:
        self._target = target
        self._projector = projector
        self._clock = clock
        self._recorded = recorded
        self._measured = measured
        self._waiting: deque[tuple[Append, asyncio.Future[list[RecordedEvent]]]] = deque()
        self._apart: deque[tuple[Append, asyncio.Future[list[RecordedEvent]]]] = deque()
        """Those of a group that one of them broke: each is recorded alone."""
        self._task: asyncio.Task[None] | None = None
        self._connection: Connection | None = None
        self._known: Known | None = None
        self._is_contended = False
        self._has_warned = False
        self._gives_up = False
        self.failure: Error | None = None
        """Why the database could not store a group last; None if it always could."""

    async def append(self, append: Append) -> list[RecordedEvent]:
        """Return the events of `append` once they are durable. Raises as `EventLog.append`."""
        done: asyncio.Future[list[RecordedEvent]] = asyncio.get_running_loop().create_future()
        self._waiting.append((append, done))
        if self._task is None:
            self._task = asyncio.create_task(self._main(), name="m8-log-writer")
        try:
            return await done
        finally:
            del done  # its error refers to this frame, and those above hold what the caller does: a cycle keeps them

    def is_own(self, pid: int) -> bool:
        """Return whether the server's process `pid` works for this writer: what it records is told by `recorded`."""
        connection = self._connection
        return connection is not None and not connection.is_closed() and connection.get_server_pid() == pid

    async def close(self) -> None:
        """Finish the appends that wait, then stop. What is not recorded after `CLOSE_S` fails."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=connections.CLOSE_S)
        if self._task is not None:
            self._gives_up = True
            if self._connection is not None:
                self._connection.terminate()  # not cancelled: that would end the wait for a standby
            await self._task
        if self._connection is not None:
            await close(self._connection)

    async def _main(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting or self._apart:
                taken = self._take()
                begun = loop.time()
                failure: Exception | None = None
                group: Group | None = None
                try:
                    group = await self._record([append for append, _ in taken])
                except Exception as error:  # noqa: BLE001  every waiting caller is told, and the next ones are served
                    failure = self._failed(error)
                    if len(taken) > 1 and is_of_data(error):
                        self._apart.extend(taken)
                        continue
                for index, (_, done) in enumerate(taken):
                    piece = None if group is None else group.pieces[index]
                    settle(done, *([], failure) if piece is None else (piece.recorded, piece.error))
                if group is not None and group.recorded:
                    self._measured(len(taken), loop.time() - begun)
        finally:
            self._task = None

    def _take(self) -> list[tuple[Append, asyncio.Future[list[RecordedEvent]]]]:
        """Take the first appends that wait: as many as one call may record."""
        if self._apart:
            return [self._apart.popleft()]
        taken = [self._waiting.popleft()]
        left = MAX_BYTES
        while self._waiting and len(taken) < MAX_GROUP and (left := left - self._waiting[0][0].size) >= 0:
            taken.append(self._waiting.popleft())
        return taken

    def _failed(self, error: Exception) -> Exception:
        self._disconnect()
        if not isinstance(error, (Error, *FAILURES)):
            return error
        told = explain(error, self._target)
        if not is_of_data(error):
            self.failure = told
        return told

    def _disconnect(self) -> None:
        """After a failure nothing that is known holds; the next group starts with a new connection."""
        self._known = None
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _record(self, appends: list[Append]) -> Group:
        """Record one group. Raises what the driver raises if nothing of it is recorded."""
        if self._gives_up:
            raise closed()
        connection = self._connection
        if connection is None or connection.is_closed():
            self._disconnect()
            connection = await self._connect()
        if self._known is not None:
            self._known.make_room()
        if self._known is not None and not self._is_contended:
            group = Group(appends, self._known, self._projector, self._clock)
            await self._read(connection, group)
            if await self._call(connection, group):
                return group
            self._known, self._is_contended = None, True
        return await self._record_locked(connection, appends)

    async def _connect(self) -> Connection:
        self._connection = await reconnect(self._target)
        self._connection.add_log_listener(self._warned)
        with deadline(self._connection):
            await self._connection.execute(_SESSION)
        return self._connection

    def _warned(self, _connection: object, message: Any) -> None:  # noqa: ANN401 - the driver's message has no type
        """Take note of a warning, such as that a wait for a standby was cancelled."""
        if getattr(message, "severity_en", "WARNING") not in {"DEBUG", "INFO", "NOTICE", "LOG"}:
            self._has_warned = True

    @staticmethod
    async def _read(connection: Connection, group: Group) -> None:
        """Read what the group needs to know, and work it out. What is read is of the head, or the call refuses it."""
        with deadline(connection):
            if unknown := group.unknown_streams():
                group.known.versions.update(await records.versions(connection, unknown))
            while missed := group.plan():
                group.known.learn(await documents.read_many(connection, missed))

    async def _record_locked(self, connection: Connection, appends: list[Append]) -> Group:
        """Record a group while no other process can: with the head locked from before the first read."""
        with deadline(connection):
            await connection.execute("BEGIN")
            head = await records.read_head(connection, locked=True)
        if self._known is None or self._known.head != head:
            self._known = Known(head)
        else:
            self._is_contended = False
        group = Group(appends, self._known, self._projector, self._clock)
        with deadline(connection):
            expected = {stream for one in appends for stream in (one.stream, *one.given)} - self._known.versions.keys()
            self._known.versions.update(await records.versions(connection, expected))
        await self._read(connection, group)
        if not await self._call(connection, group, is_locked=True):
            raise AssertionError("the head cannot change while it is locked")
        return group

    async def _call(self, connection: Connection, group: Group, *, is_locked: bool = False) -> bool:
        """Record what was worked out, and return whether the head was the one that it builds on."""
        recorded = group.recorded
        is_recorded = True
        self._has_warned = False
        try:
            failpoint("m8.before-commit")
            with deadline(connection):
                if recorded:
                    is_recorded = await records.append(connection, group)
                elif not is_locked:
                    # Nothing to record; but the refusals hold only if the head is still this one.
                    is_recorded = await records.read_head(connection) == group.known.head and not group.assumed
                if is_locked:
                    await connection.execute("COMMIT")
            if self._has_warned and recorded:
                raise UnacknowledgedError
        except FAILURES as error:
            if not recorded or not is_lost(error):
                raise
            self._disconnect()
            self.failure = explain(error, self._target)  # known at once, not only when the wait is over
            if not await self._is_there(recorded[-1]):
                raise
            self._recorded(recorded)
            return True
        if is_recorded:
            self._remember(group, recorded)
        return is_recorded

    def _remember(self, group: Group, recorded: list[RecordedEvent]) -> None:
        if not recorded:
            return
        group.known.remember(group)
        self._recorded(recorded)

    async def _is_there(self, last: RecordedEvent) -> bool:
        """Find out whether the group that ends with `last` is recorded.

        Raises:
            UnknownAppendError: the database does not say.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + RESOLVE_S
        while not self._gives_up:
            try:
                connection = await self._connect()
                self._has_warned = False
                with deadline(connection):
                    answer = await records.resolve(connection, last)
                if not self._has_warned:
                    return answer
            except (Error, *FAILURES):
                pass
            self._disconnect()
            if loop.time() > end:
                break
            await asyncio.sleep(RETRY_S)
        raise UnknownAppendError from None

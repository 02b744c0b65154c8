"""Following the log: what was recorded last, kept for subscribers, whichever process recorded it.

An append notifies in its transaction. A notification that is lost costs a second and no event, because the head is read
every second besides. The order is: listen, then catch up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from monoskope.errors import Error
from monoskope.m8.log.event_log import RecordedEvent
from monoskope.m8.log.postgres.connections import Connection, Pool, deadline
from monoskope.m8.log.postgres.failures import FAILURES
from monoskope.m8.log.postgres.records import last_position, read
from monoskope.m8.log.postgres.schema import CHANNEL
from monoskope.m8.log.sql import KEPT, Tail

POLL_S = 1.0
"""How often the head is read, whether or not a notification came."""

_DIGITS = 19
"""Of a position at most."""

_BACKOFF_S = (0.1, 0.2, 0.5, 1.0, 2.0)
"""How long it waits before it connects again, the last one for ever."""


class Follower:
    """Keeps `tail` at the end of the log from the first `start` on.

    Args:
        connect: Connects to the database. Raises `UnavailableError`.
        tail: What is kept.
        pool: For reads.
        wake: Called when `tail` has new events.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[Connection]], tail: Tail, pool: Pool, wake: Callable[[], None]
    ) -> None:
        self._connect = connect
        self._tail = tail
        self._pool = pool
        self._wake = wake
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Follow the log from now on."""
        if self._task is None:
            self._task = asyncio.create_task(self._main(), name="m8-log-follower")

    def recorded(self, events: Sequence[RecordedEvent]) -> None:
        """Take note of what this process recorded."""
        if self._tail.extend(events):
            self._wake()

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _main(self) -> None:
        failures = 0
        while True:
            with contextlib.suppress(Error, *FAILURES):
                connection = await self._connect()
                try:
                    failures = 0
                    await self._listen(connection)
                finally:
                    connection.terminate()
            await asyncio.sleep(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
            failures += 1

    async def _listen(self, connection: Connection) -> None:
        connection.add_termination_listener(lambda _connection: self._changed.set())
        with deadline(connection):
            await connection.add_listener(CHANNEL, self._notified)
        while not connection.is_closed():
            self._changed.clear()
            await self._catch_up()
            # Not `wait_for`: before Python 3.12 it swallows a cancellation that comes together with a notification.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._changed.wait()

    def _notified(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        # Every role of the database may notify, with any text of up to 8 kB.
        text = str(payload)
        if not text.isdecimal() or len(text) > _DIGITS or int(text) > self._tail.last:
            self._changed.set()

    async def _catch_up(self) -> None:
        head = await self._pool.run(last_position)
        while self._tail.last < head:
            after = max(self._tail.last, head - KEPT)
            events = await self._pool.run(partial(read, after=after, limit=KEPT))
            if not self._tail.extend(events) or self._tail.last < head - KEPT:
                break  # a record is missing: subscribers find that out when they read
            self._wake()

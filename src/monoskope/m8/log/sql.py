"""What both engines of the event log do alike, in SQL that both of them understand.

`TABLES` are those that both engines make, beside `tree_rows.TABLES`.
"""

# ruff: noqa: D102  every method is documented by EventLog and TreeRows
from __future__ import annotations

import asyncio
import contextlib
from abc import abstractmethod
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

from monoskope.errors import UnavailableError
from monoskope.failpoints import failpoints
from monoskope.m8.log import record
from monoskope.m8.log.documents import Cursor, check_cursor
from monoskope.m8.log.event_log import EventLog, LogTamperedError, NewEvent, RecordedEvent
from monoskope.m8.log.failures import check_limit, closed
from monoskope.m8.log.record import Append
from monoskope.m8.log.tree_rows import Steps

T = TypeVar("T")

PAGE = 256
"""Events that a subscription reads at once."""

KEPT = 512
"""How many events a tail keeps at least; at most twice as many."""

TABLES = """
CREATE TABLE cursors (name text PRIMARY KEY, position bigint NOT NULL, hash {bytes} NOT NULL);
CREATE TABLE beats (key text PRIMARY KEY, at_ms bigint NOT NULL, note {bytes} NOT NULL);
CREATE TABLE people (member {text} PRIMARY KEY, person {bytes} NOT NULL)
"""

_PUT_CURSOR = (
    "INSERT INTO cursors VALUES ($1, $2, $3) "
    "ON CONFLICT (name) DO UPDATE SET position = excluded.position, hash = excluded.hash"
)


def settle(done: asyncio.Future[T], result: T, error: Exception | None) -> None:
    """Tell the caller of a write how it ended, if the caller still waits."""
    if isinstance(error, StopIteration):  # a future cannot hold this exception
        error = RuntimeError("the projector raised StopIteration.")
    if done.done():
        return
    if error is None:
        done.set_result(result)
    else:
        # Without the writer's frames, which refer to the future, and so to the error.
        done.set_exception(error.with_traceback(None))


class Tail:
    """The events at the end of the log, without a gap. Events never change, so they stay correct when it grows."""

    def __init__(self) -> None:
        self._events: list[RecordedEvent] = []

    @property
    def last(self) -> int:
        """The last position that is known here, 0 if none is."""
        return self._events[-1].position if self._events else 0

    def extend(self, events: Sequence[RecordedEvent]) -> bool:
        """Add events in their order, and return whether any of them is new."""
        new = [event for event in events if event.position > self.last]
        if not new:
            return False
        if new[0].position != self.last + 1:
            self._events = []  # another process recorded in between
        self._events += new
        if len(self._events) > 2 * KEPT:
            del self._events[:-KEPT]
        return True

    def after(self, position: int) -> list[RecordedEvent]:
        """Return the events that follow `position`, as far as they are known here."""
        if not self._events or position + 1 < self._events[0].position:
            return []
        return self._events[position + 1 - self._events[0].position :]


class SqlLog(EventLog):
    """An event log in a database; a subclass connects to it, and writes events and documents."""

    def __init__(self) -> None:
        self._closed = False
        self._signals: set[asyncio.Event] = set()
        self._tail = Tail()

    @abstractmethod
    def _last_seen(self) -> int:
        """Return the last position that subscriptions were woken for, some other number where that is not known."""

    @abstractmethod
    def _following(self) -> contextlib.AbstractContextManager[object]:
        """Wake subscriptions for what other processes record, as long as the block runs or longer."""

    def _check_open(self) -> None:
        if self._closed:
            raise closed()

    def _wake(self) -> None:
        for signal in self._signals:
            signal.set()

    async def append(
        self,
        stream: str,
        expected_version: int | None,
        events: Sequence[NewEvent],
        *,
        actor: str,
        sealed: bytes | None = None,
        given: Mapping[str, int] = MappingProxyType({}),
    ) -> list[RecordedEvent]:
        append = Append(stream, expected_version, events, actor, sealed, given)
        append.check()
        self._check_open()
        kinds = [event.type for event in events]
        failpoints("m8.before-append", kinds)
        done = await self._append(append)
        failpoints("m8.after-append", kinds)
        return done

    @abstractmethod
    async def _append(self, append: Append) -> list[RecordedEvent]:
        """Record what was checked, as `append` does."""

    async def read(self, *, after: int, limit: int) -> list[RecordedEvent]:
        check_limit(limit)
        query = "SELECT position, record FROM events WHERE position > $1 ORDER BY position LIMIT $2"
        return [record.parse(position, body) for position, body in await self._fetch(query, after, limit)]

    async def read_stream(self, stream: str, *, after_version: int = 0) -> list[RecordedEvent]:
        return (await self.look({stream: after_version})).events[stream]

    async def subscribe(self, *, after: int) -> AsyncGenerator[RecordedEvent, None]:
        signal = asyncio.Event()
        self._signals.add(signal)
        is_at_end = False
        try:
            while not self._closed:
                # Cleared before the read: an event that is recorded after it sets it again, so no wake-up is lost.
                signal.clear()
                # Older events come from the database, where their reader notices damage.
                events = self._tail.after(after) if is_at_end else []
                if not events and (not is_at_end or self._last_seen() != after):
                    events = await self._next_page(after)
                for event in events:
                    if event.position != after + 1:
                        raise LogTamperedError(after + 1, "the record is missing")
                    after = event.position
                    yield event
                if events and after < self._last_seen():
                    continue  # woken for more than the tail has: another process recorded it, and none wakes again
                if len(events) < PAGE:
                    is_at_end = True
                    with self._following():
                        await signal.wait()
        finally:
            self._signals.discard(signal)

    async def _next_page(self, after: int) -> list[RecordedEvent]:
        """Return the next events; none if the log was closed meanwhile."""
        try:
            return await self.read(after=after, limit=PAGE)
        except UnavailableError:
            if self._closed:
                return []
            raise

    async def head(self) -> int:
        return int((await self._fetch("SELECT position FROM head"))[0][0])

    async def sealed(self, sha256: bytes) -> bytes | None:
        rows = await self._fetch("SELECT body FROM sealed WHERE sha256 = $1", sha256)
        return rows[0][0] if rows else None

    async def beat(self, key: str, at_ms: int, note: bytes = b"") -> None:
        await self._execute(
            "INSERT INTO beats VALUES ($1, $2, $3) "
            "ON CONFLICT (key) DO UPDATE SET at_ms = excluded.at_ms, note = excluded.note",
            key,
            at_ms,
            note,
        )

    async def beats(self) -> dict[str, int]:
        return dict(await self._fetch("SELECT key, at_ms FROM beats"))

    async def beat_notes(self) -> dict[str, bytes]:
        return dict(await self._fetch("SELECT key, note FROM beats WHERE length(note) > 0"))

    async def forget_beat(self, key: str) -> None:
        await self._execute("DELETE FROM beats WHERE key = $1", key)

    async def put_person(self, member: str, person: bytes) -> None:
        await self._execute(
            "INSERT INTO people VALUES ($1, $2) ON CONFLICT (member) DO UPDATE SET person = excluded.person",
            member,
            person,
        )

    async def people(self, members: Collection[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        asked = list(members)
        for some in (asked[start : start + PAGE] for start in range(0, len(asked), PAGE)):
            places = ", ".join(f"${place}" for place in range(1, len(some) + 1))
            found |= await self._fetch(f"SELECT member, person FROM people WHERE member IN ({places})", *some)  # noqa: S608
        return found

    async def forget_person(self, member: str) -> None:
        await self._execute("DELETE FROM people WHERE member = $1", member)

    async def release(self, name: str, holder: str) -> None:
        await self._execute("DELETE FROM leases WHERE name = $1 AND holder = $2", name, holder)

    async def cursor(self, name: str) -> Cursor | None:
        rows = await self._fetch("SELECT position, hash FROM cursors WHERE name = $1", name)
        return Cursor(*rows[0]) if rows else None

    async def move_cursor(self, name: str, was: Cursor | None, now: Cursor) -> bool:
        check_cursor(name, now)

        def steps() -> Steps[bool]:
            rows = yield "SELECT position, hash FROM cursors WHERE name = $1", (name,)
            if (Cursor(*rows[0]) if rows else None) != was:
                return False
            yield _PUT_CURSOR, (name, now.position, now.hash)
            return True

        return await self._alone(steps)

"""Sends lines to one sink: each event of the log, in order and without a gap, and each call, as well as it can.

The cursor of the events moves only after the sink has taken what comes before it. So a process that is killed in
between sends some events again, and none is ever skipped. One m8 process of a log does this at a time, by a lease. One
that stood still and comes back finds that the cursor is not where it left it, and begins where it stands.

Calls wait in a bounded queue, and what does not fit is counted. A call never waits for its line. What waits when m8 is
killed is lost; the log's own events are not.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from monoskope import operating_log
from monoskope.errors import UnavailableError, docs_page
from monoskope.failpoints import failpoint
from monoskope.m8.audit import lines
from monoskope.m8.audit.lines import Batch, DeliveryError, Line, Sink, SinkState
from monoskope.m8.background.leased import LAST_WRITE_S
from monoskope.m8.log.documents import Cursor
from monoskope.m8.log.event_log import GENESIS_HASH, RecordedEvent
from monoskope.m8.service.app import App
from monoskope.m8.service.call_notes import CallNote
from monoskope.m8.sink_settings import EVENTS

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
"""Between two tries; each pause is twice the one before."""


async def delivered(
    deliver: Callable[[], Awaitable[None]], state: SinkState, kind: str, *, what: str = "audit lines"
) -> None:
    """Return when `deliver`, which is called again and again, has ended without an error.

    The operating log says when that begins to fail, and when it works again.

    Args:
        deliver: Sends something of `kind` to the sink of `state`.
        state: What is noted of that sink.
        kind: As of `SinkState`.
        what: What it sends, for people.
    """
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            await deliver()
        except DeliveryError as error:
            if state.failed(kind):
                operating_log.get().error(
                    f"{what} are not taken", sink=state.name, message=error.message, fix=error.fix
                )
        except Exception as error:  # noqa: BLE001  a defect here must not end m8: it is reported, and tried again
            if state.failed(kind):
                operating_log.error(f"{what} are not taken", error, sink=state.name)
        else:
            if failed_s := state.took(kind):
                operating_log.get().info(f"{what} are taken again", sink=state.name, seconds=round(failed_s))
            return
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


BATCH = 200
"""Lines that are delivered together at most: about 100 kilobytes of events."""

PAUSE_S = 0.02
"""Between two full batches, so that appends have the disk for themselves most of the time."""

STOPPED_S = 60.0
"""How often it is tried again where the chain does not hold, or after a defect."""

_START = Cursor(0, GENESIS_HASH)


def lease_s(tick_s: float) -> float:
    """Return for how many seconds the lease is taken each time: 30 ticks, as far as a lease may be so long."""
    return min(max(30 * tick_s, 1.0), 60.0)


def cursor_name(sink: str) -> str:
    """Return the name of the cursor, and of the lease, of a sink."""
    return f"audit/{sink}"


class EventExporter:
    """Exports the log of one process to one sink.

    Args:
        app: The process.
        sink: Where to.
        state: What is noted of it.
        log_id: Names the log in each line.
    """

    def __init__(self, app: App, sink: Sink, state: SinkState, *, log_id: str) -> None:
        self._app = app
        self._sink = sink
        self._state = state
        self._log_id = log_id
        self._name = cursor_name(state.name)

    async def run(self) -> None:
        """Export until cancelled. Only what holds the lease calls this."""
        self._state.is_exporting = True
        try:
            while True:
                try:
                    await self._export()
                except UnavailableError:  # the log does not answer, of which other parts of m8 tell
                    await asyncio.sleep(self._app.limits.tick_s)
                except Exception as error:  # noqa: BLE001  a defect here must not end m8
                    self._stopped_by(error)
                    await asyncio.sleep(STOPPED_S)
        finally:
            self._state.is_exporting = False
            self._state.forget(EVENTS)

    async def _export(self) -> None:
        """Export from where the cursor stands, until it is elsewhere. Raises `UnavailableError`."""
        stood = await self._app.log.cursor(self._name)
        while True:
            at = stood or _START
            self._state.position = at.position
            events = await self._app.log.read(after=at.position, limit=BATCH)
            if not events:
                await self._more(at.position)
                continue
            if not self._follow(at, events):
                await asyncio.sleep(STOPPED_S)
                return
            batch = Batch(await self._lines(events))
            await delivered(partial(self._sink.deliver, batch), self._state, batch.kind)
            failpoint("m8.audit.after-delivery")
            now = Cursor(events[-1].position, events[-1].hash)
            if not await self._app.log.move_cursor(self._name, stood, now):
                return
            stood = now
            if len(events) == BATCH:
                await asyncio.sleep(PAUSE_S)

    async def _more(self, position: int) -> None:
        while True:
            await asyncio.sleep(self._app.limits.tick_s)
            if self._app.feed.position > position:
                return

    def _follow(self, at: Cursor, events: list[RecordedEvent]) -> bool:
        """Return whether `events` follow the cursor in the chain. If not, nothing is sent: the log was changed."""
        before = at
        for event in events:
            if (event.position, event.previous_hash) != (before.position + 1, before.hash):
                if self._state.failed(EVENTS):
                    operating_log.get().error(
                        "audit lines stop",
                        sink=self._state.name,
                        message=f"The event at position {event.position} does not follow what was sent before it.",
                        fix=f"Run: m8 events verify. Find out who changed the log; {docs_page('operate/audit.md')}.",
                    )
                return False
            before = Cursor(event.position, event.hash)
        return True

    def _stopped_by(self, error: Exception) -> None:
        if self._state.failed(EVENTS):
            operating_log.error("audit lines stop", error, sink=self._state.name)

    async def _lines(self, events: list[RecordedEvent]) -> tuple[Line, ...]:
        made: list[Line] = []
        for event in events:
            made.append(lines.of_event(event, log_id=self._log_id))
            await asyncio.sleep(0)  # calls go first
        return tuple(made)


MOST_WAITING = 10_000
"""Lines that wait at most, for each sink."""

MOST_BYTES = 16_777_216
"""Bytes of them at most."""


class CallExporter:
    """Exports the calls of one process to one sink.

    Args:
        app: The process.
        sink: Where to.
        state: What is noted of it.
    """

    def __init__(self, app: App, sink: Sink, state: SinkState) -> None:
        self._app = app
        self._sink = sink
        self._state = state
        self._waiting: deque[Line] = deque()
        self._bytes = 0
        self._dropped = 0
        self._counter = app.meters.audit_dropped.labels(state.name)
        self._some = asyncio.Event()

    def take(self, line: Line) -> None:
        """Queue a line, or drop it and count it; never waits."""
        if len(self._waiting) >= MOST_WAITING or self._bytes + len(line.text) > MOST_BYTES:
            self._dropped += 1
            self._counter.inc()
            return
        self._waiting.append(line)
        self._bytes += len(line.text)
        self._some.set()

    async def run(self) -> None:
        """Send what waits, until cancelled; then once more, for some seconds."""
        batch: Batch | None = None
        try:
            while True:
                batch = await self._next()
                await delivered(partial(self._sink.deliver, batch), self._state, batch.kind)
                batch = None
                await asyncio.sleep(self._app.limits.tick_s / 10)  # what comes meanwhile goes together
        finally:
            self._app.strangers.flush()
            with contextlib.suppress(DeliveryError, TimeoutError):
                async with asyncio.timeout(LAST_WRITE_S):
                    await self._rest(batch)

    async def _next(self) -> Batch:
        while not self._waiting:
            self._some.clear()
            await self._some.wait()
        return self._taken()

    def _taken(self) -> Batch:
        """Take lines out of the queue. The first one says how many were dropped before."""
        taken: list[Line] = []
        if self._dropped:
            taken.append(lines.of_dropped(self._dropped, at_ms=self._app.clock(), replica=self._app.replica))
            self._dropped = 0
        while self._waiting and len(taken) < BATCH:
            line = self._waiting.popleft()
            self._bytes -= len(line.text)
            taken.append(line)
        return Batch(tuple(taken))

    async def _rest(self, batch: Batch | None) -> None:
        if batch is not None:
            await self._sink.deliver(batch)
        while self._waiting:
            await self._sink.deliver(self._taken())


class Teller:
    """Tells each exporter of each call (`TellCall`), and of those of strangers (`TellStrangers`).

    Args:
        app: The process.
        exporters: Where lines go; at least one.
    """

    def __init__(self, app: App, exporters: Sequence[CallExporter]) -> None:
        self._app = app
        self._exporters = exporters
        self._number = 0

    def call(self, noted: CallNote) -> None:
        """Queue the line of a call that has ended."""
        self._take(lines.of_call(noted, at_ms=self._app.clock(), replica=self._app.replica, number=self._next()))

    def strangers(self, address: str, ends: Mapping[str, int]) -> None:
        """Queue the line of the calls of strangers from one address."""
        line = lines.of_strangers(
            address, ends, at_ms=self._app.clock(), replica=self._app.replica, number=self._next()
        )
        self._take(line)

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _take(self, line: Line) -> None:
        for exporter in self._exporters:
            exporter.take(line)

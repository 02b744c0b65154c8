"""Sends each event of the log to one sink, in order, and keeps in the log how far it has come.

The cursor moves only after the sink has taken what comes before it. So a process that is killed in between sends some
events again, and none is ever skipped. One m8 process of a log does this at a time, by a lease. One that stood still
and comes back finds that the cursor is not where it left it, and begins where it stands.
"""

from __future__ import annotations

import asyncio

from monoskope import operating_log
from monoskope.errors import UnavailableError, docs_page
from monoskope.failpoints import failpoint
from monoskope.m8.audit import lines
from monoskope.m8.audit.delivery import delivered
from monoskope.m8.audit.lines import Line
from monoskope.m8.audit.sink import Batch, Sink, SinkState
from monoskope.m8.log.documents import Cursor
from monoskope.m8.log.event_log import GENESIS_HASH, RecordedEvent
from monoskope.m8.service.app import App
from monoskope.m8.service.feed import locate
from monoskope.m8.sink_settings import EVENTS

BATCH = 200
"""Events that are delivered together at most: about 100 kilobytes."""

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
            await delivered(self._sink, Batch(await self._lines(events)), self._state)
            failpoint("m8.audit.after-delivery")
            now = Cursor(events[-1].position, events[-1].hash)
            if not await self._app.log.move_cursor(self._name, stood, now):
                return
            stood = now
            if len(events) == BATCH:
                await asyncio.sleep(PAUSE_S)

    async def _more(self, position: int) -> None:
        """Return once there may be an event after `position`."""
        while True:
            await asyncio.sleep(self._app.limits.tick_s)
            if self._app.feed.position > position:
                return

    def _follow(self, at: Cursor, events: list[RecordedEvent]) -> bool:
        """Return whether `events` follow the cursor in the chain. If not, nothing is sent: somebody changed the log."""
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
            made.append(lines.of_event(locate(event), log_id=self._log_id))
            await asyncio.sleep(0)  # calls go first
        return tuple(made)

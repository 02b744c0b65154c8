"""Sends access lines to one sink, as well as it can: a bounded queue, and a count of what did not fit.

A call never waits for its line. What waits here when m8 is killed is lost; the log's own events are not.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping, Sequence

from monoskope.m8.audit import lines
from monoskope.m8.audit.delivery import delivered
from monoskope.m8.audit.lines import Line
from monoskope.m8.audit.sink import Batch, DeliveryError, Sink, SinkState
from monoskope.m8.background.leased import LAST_WRITE_S
from monoskope.m8.service.app import App
from monoskope.m8.service.calls import CallNote

MOST_WAITING = 10_000
"""Lines that wait at most, for each sink."""

MOST_BYTES = 16_777_216
"""Bytes of them at most."""

BATCH = 200
"""Lines that are delivered together at most."""


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
                await delivered(self._sink, batch, self._state)
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

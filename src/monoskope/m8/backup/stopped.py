"""Whether an m8 serves a log at this moment. Some things need one that nobody appends to."""

from __future__ import annotations

import asyncio

from monoskope.errors import ConflictError
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.readmodels.replicas import PREFIX

BEATS = (PREFIX, "m8-timekeeper/")
"""What the keys of m8's own heartbeats begin with. One sends every tick; a process that ends drops its own."""

_TICKS = 5
_FRESH_MS = 60_000
"""A heartbeat that is older, or comes from a clock that is as much ahead, needs no second look."""


async def check_stopped(log: EventLog, *, tick_s: float, now_ms: int) -> None:
    """Return if no m8 serves `log`. It watches the heartbeats for some ticks if there is a fresh one.

    Args:
        log: Opened, also for an import.
        tick_s: How often an m8 sends a heartbeat, seconds.
        now_ms: Milliseconds since 1970.

    Raises:
        ConflictError: one does.
    """
    before = await _beats(log)
    if not any(abs(now_ms - at_ms) < _FRESH_MS for at_ms in before.values()):
        return
    for _ in range(_TICKS):
        await asyncio.sleep(tick_s)
        if await _beats(log) != before:
            raise ConflictError(
                "an m8 serves this event log now.", fix="Stop every m8 that uses it, then run this command again."
            )


async def _beats(log: EventLog) -> dict[str, int]:
    return {key: at_ms for key, at_ms in (await log.beats()).items() if key.startswith(BEATS)}

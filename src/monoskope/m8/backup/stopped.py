"""Whether an m8 serves a log at this moment. Some things need one that nobody appends to."""

from __future__ import annotations

import asyncio

from monoskope.errors import ConflictError
from monoskope.m8.background.presence import PREFIX
from monoskope.m8.log.event_log import EventLog

BEATS = (PREFIX, "m8-timekeeper/")
"""What the keys of m8's own heartbeats begin with. One sends every tick; a process that ends drops its own."""

_TICKS = 5


async def check_stopped(log: EventLog, *, tick_s: float) -> None:
    """Return if no m8 serves `log`. It watches the heartbeats for some ticks if there are any.

    How old they are says nothing: the m8 may run on a machine whose clock is wrong.

    Args:
        log: Opened, also for an import.
        tick_s: How often an m8 sends a heartbeat, seconds.

    Raises:
        ConflictError: one does.
    """
    before = await _beats(log)
    if not before:
        return
    for _ in range(_TICKS):
        await asyncio.sleep(tick_s)
        if await _beats(log) != before:
            raise ConflictError(
                "an m8 serves this event log now.", fix="Stop every m8 that uses it, then run this command again."
            )


async def _beats(log: EventLog) -> dict[str, int]:
    return {key: at_ms for key, at_ms in (await log.beats()).items() if key.startswith(BEATS)}

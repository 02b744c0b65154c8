"""The only place where the parts of m8 are put together."""

from __future__ import annotations

import time

from monoskope.m8.log.event_log import EventLog
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.readmodels import chain
from monoskope.m8.settings import Settings


def wall_clock() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


async def open_log(settings: Settings) -> EventLog:
    """Open the event log that `settings` name, with every read model. Raises `Error` as the engine does."""
    return await SqliteLog.open(settings.event_log, clock=wall_clock, projector=chain.project)

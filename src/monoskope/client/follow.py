"""Each event as it is recorded, over every break of the connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client.connection import RenewedError
from monoskope.client.event_filter import EVERY, EventFilter
from monoskope.client.queries import Queries
from monoskope.errors import Error, UnavailableError

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
"""How long it waits before it connects again: after the first break, and at most."""


async def follow(
    queries: Queries,
    *,
    after: int,
    prefix: str = "",
    wanted: EventFilter = EVERY,
    lost: Callable[[Error], None] | None = None,
) -> AsyncIterator[views_pb2.EventSummary]:
    """Yield each event after the position `after` once, as it is recorded, until cancelled or m8 ends the stream.

    When the connection breaks, m8 stops or the token was renewed, it connects again and goes on after the last event
    that it has seen.

    Args:
        queries: Of a connection to m8.
        after: What `Queries.head` returned, for the events since then; 0 for all.
        prefix: Of secrets below this URI prefix, "" for all that the caller may see.
        wanted: Which of these.
        lost: Called with the reason each time the connection breaks.

    Raises:
        Error: m8 refuses; not that it cannot be reached.
    """
    pause = FIRST_PAUSE_S
    while True:
        try:
            async for event in queries.watch(after=after, prefix=prefix):
                pause = FIRST_PAUSE_S
                if event.position > after:
                    after = event.position
                    if wanted.takes(event):
                        yield event
        except RenewedError:
            continue
        except UnavailableError as error:
            if lost is not None:
                lost(error)
        else:
            return
        await queries.runtime.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)

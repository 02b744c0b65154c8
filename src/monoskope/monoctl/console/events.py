"""m8's events, heard once for all pages of a console."""

from __future__ import annotations

from collections.abc import Callable

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client.connection import RenewedError
from monoskope.client.queries import FIRST_PAUSE_S, LONGEST_PAUSE_S, Queries
from monoskope.errors import Error, LogMismatchError, NotReachedError
from monoskope.monoctl.output.formats import Document
from monoskope.monoctl.output.report import failure

Hear = Callable[[views_pb2.EventSummary], None]
"""What is called with each event, in the order of the log."""

Away = Callable[[str, Document | None], None]
"""What is called with why m8 does not answer, "" if it does, and with the failure if its log does not hold."""


async def hear(queries: Queries, began: Callable[[], None], heard: Hear, away: Away) -> None:
    """Call `heard` once with each event that m8 records from now on, over every break, until cancelled.

    Unlike `Queries.follow`, it goes on when m8 refuses, as when a token has expired: the pages say so meanwhile. And it
    asks m8 for its head before it listens again: that is how it knows that m8 is back, though nothing happens there.

    Args:
        queries: Of the console's client.
        began: Called when each event is heard from now on, and nobody knows which came before: at first, and when m8's
            log is shorter than what was heard of it, as after a restore from a backup.
        heard: Called with each event.
        away: Called when m8 does not answer, and when it does again.
    """
    after: int | None = None
    pause = FIRST_PAUSE_S
    while True:
        try:
            head = await queries.head()
            away("", None)
            if after is None or head < after:
                after = head
                began()
            async for event in queries.watch(after=after):
                pause = FIRST_PAUSE_S
                if event.position > after:
                    after = event.position
                    heard(event)
        except RenewedError:
            continue
        except Error as error:
            stop = failure(error) if isinstance(error, LogMismatchError) else None
            away(_why(error, has_answered=after is not None), stop)
        await queries.runtime.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)


def _why(error: Error, *, has_answered: bool) -> str:
    # That the address may be wrong is no help once m8 has answered there.
    return error.message if has_answered and isinstance(error, NotReachedError) else str(error)

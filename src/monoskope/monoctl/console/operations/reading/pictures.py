"""What is drawn of all kept secrets: equal values, days of expiry, drift, and the state of everything."""

from __future__ import annotations

from monoskope.errors import NotFoundError
from monoskope.monoctl.console.desk import Desk
from monoskope.monoctl.console.kept.counts import counts
from monoskope.monoctl.console.kept.counts import expiring as by_day
from monoskope.monoctl.console.operations.fields import Nothing
from monoskope.monoctl.console.operations.reading.caller import me
from monoskope.monoctl.console.operations.reading.secrets import today
from monoskope.monoctl.console.operations.reading.shown import shown
from monoskope.monoctl.console.operations.reading.stores import store
from monoskope.monoctl.output import views
from monoskope.monoctl.output.formats import Document

_MOST_DRIFTED = 1_000


async def groups(desk: Desk, _asked: Nothing) -> Document:
    """Answer the values that stand in several places, by hash."""
    counted = desk.secrets.counts
    found, is_whole = counted.groups()
    return {"groups": found, "keys_read": counted.keys_read, "complete": is_whole and desk.secrets.complete}


async def expiring(desk: Desk, _asked: Nothing) -> Document:
    """Answer the days on which secrets expire."""
    return by_day(desk.secrets.rows.values())


async def drift(desk: Desk, _asked: Nothing) -> Document:
    """Answer the present secrets whose engine does not hold what was put, or did not before the last put."""
    off = sorted((row for row in desk.secrets.rows.values() if row.is_off), key=lambda row: row.uri)
    return {"secrets": await shown(desk, off[:_MOST_DRIFTED])}


async def status(desk: Desk, _asked: Nothing) -> Document:
    """Answer the state of everything that an administrator looks after."""
    queries = desk.client.queries
    server = views.server(desk.client.server, await queries.server())
    return {
        "server": me(server),
        "certificate_expires": server["certificate_expires"],
        "fingerprint_key_id": server["fingerprint_key_id"],
        "stores": [store(desk, view) async for view in queries.stores()],
        "counts": counts(desk.secrets.rows.values(), today=today()),
        "head": await queries.head(),
        "log": await _log(desk),
    }


async def _log(desk: Desk) -> Document | None:
    """Look at m8's log now; None if m8 shows none, and is held to none."""
    try:
        return views.log(await desk.client.log.get())
    except NotFoundError:
        return None

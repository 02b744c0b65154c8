"""Stores, how their identities stand to the pins, and what their engines hold."""

from __future__ import annotations

from monoskope.api.gateway.v1 import views_pb2
from monoskope.monoctl.console.desk import Desk
from monoskope.monoctl.console.operations.fields import Nothing, OfUri
from monoskope.monoctl.output import views
from monoskope.monoctl.output.formats import Document


async def stores(desk: Desk, _asked: Nothing) -> Document:
    """Answer every store that the caller may see, and how its identity stands to the pins."""
    return {"stores": [store(desk, view) async for view in desk.client.queries.stores()]}


def store(desk: Desk, view: views_pb2.SecretStore) -> Document:
    """Return `Store`."""
    seen = desk.client.stores.look_at_identity(view)
    return views.store(view) | {
        "identity_state": seen.state,
        "pinned": seen.pinned,
        "identity_message": "" if seen.changed is None else seen.changed.message,
        "identity_fix": "" if seen.changed is None else seen.changed.fix,
    }


_MOST_NAMES = 5_000


async def upstream(desk: Desk, asked: OfUri) -> Document:
    """Answer the names that the engine holds directly below a URI."""
    names: list[Document] = []
    complete = True
    async for page in desk.client.list_upstream_pages(asked.uri):
        names += map(views.upstream, page.names)
        complete = not page.more and not page.unaddressable
        if len(names) >= _MOST_NAMES:
            break
    return {"names": names, "complete": complete}

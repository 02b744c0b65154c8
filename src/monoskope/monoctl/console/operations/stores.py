"""Stores, their pins, and what their engines hold."""

from __future__ import annotations

from monoskope.api.gateway.v1 import views_pb2
from monoskope.monoctl.console.desk import Desk
from monoskope.monoctl.console.operation import Request
from monoskope.monoctl.console.operations.fields import Nothing, OfUri, Text
from monoskope.monoctl.output import upstream as upstream_names
from monoskope.monoctl.output import views
from monoskope.monoctl.output.failures import sentences
from monoskope.monoctl.output.formats import Document


class Agreed(Request, frozen=True):
    """A store, and the identity that the user compared."""

    store: Text
    identity: Text


async def stores(desk: Desk, _asked: Nothing) -> Document:
    """Answer every store that the caller may see, and how its identity stands to the pins."""
    return {"stores": [store(desk, view) async for view in desk.client.queries.stores()]}


def store(desk: Desk, view: views_pb2.SecretStore) -> Document:
    """Return `Store`."""
    seen = desk.client.look_at_identity(view)
    message, fix = ("", "") if seen.changed is None else sentences(seen.changed)
    return views.store(view) | {
        "identity_state": seen.state,
        "pinned": seen.pinned,
        "identity_message": message,
        "identity_fix": fix,
    }


async def pin(desk: Desk, asked: Agreed) -> Document:
    """Pin the identity that the user compared. Raises `IdentityChangedError` if m8 shows, or the pin is, another."""
    pinned = await desk.client.trust_store(asked.store, asked.identity)
    # Receipts of this store can be checked now.
    desk.tell_of_secrets()
    return {"store": asked.store, "identity": pinned}


_MOST_NAMES = 5_000


async def upstream(desk: Desk, asked: OfUri) -> Document:
    """Answer the names that the engine holds directly below a URI."""
    names: list[Document] = []
    complete = True
    async for page in desk.client.list_upstream_pages(asked.uri):
        names += map(upstream_names.name, page.names)
        complete = not page.more and not page.unaddressable
        if len(names) >= _MOST_NAMES:
            break
    return {"names": names, "complete": complete}

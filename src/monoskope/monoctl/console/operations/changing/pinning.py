"""Pinning the identity of a store, after the user has compared it."""

from __future__ import annotations

from monoskope.monoctl.console.desk import Desk
from monoskope.monoctl.console.operations.fields import Text
from monoskope.monoctl.console.operations.operation import Request
from monoskope.monoctl.output.formats import Document


class Agreed(Request, frozen=True):
    """A store, and the identity that the user compared."""

    store: Text
    identity: Text


async def pin(desk: Desk, asked: Agreed) -> Document:
    """Pin the identity that the user compared. Raises `IdentityChangedError` if m8 shows, or the pin is, another."""
    pinned = await desk.client.stores.trust(asked.store, asked.identity)
    # Receipts of this store can be checked now.
    desk.tell_of_secrets()
    return {"store": asked.store, "identity": pinned}

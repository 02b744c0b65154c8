"""What all operations of one console share: the client, and what is told to the page."""

from __future__ import annotations

from collections.abc import Callable

from monoskope.client import Client
from monoskope.unshared import Unshared


class Desk(Unshared):
    """One console's client, and its way to tell the page something.

    Attributes:
        client: Open as long as the console runs; it asks nobody (`confirm` is None).
        tell: Sends one message of the live stream to every page: a document with `kind`.
    """

    def __init__(self, client: Client, tell: Callable[[dict[str, object]], None]) -> None:
        self.client = client
        self.tell = tell

    def __repr__(self) -> str:
        return "<Desk>"

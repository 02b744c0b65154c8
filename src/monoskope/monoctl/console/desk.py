"""What all operations of one console share: the client, what m8 records, and what is told to the page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from monoskope.client import Client
from monoskope.monoctl.console.events import Hear
from monoskope.unshared import Unshared


class Desk(Unshared):
    """One console's client, and its way to tell the page something.

    Attributes:
        client: Open as long as the console runs; it asks nobody (`confirm` is None).
        tell: Sends one message of the live stream to every page: a document with `kind`.
        since: The position of m8's log after which events are heard, once m8 has answered for the first time.
        hear: What is called with each event that m8 records after `since`, over every break.
    """

    def __init__(self, client: Client, tell: Callable[[dict[str, object]], None]) -> None:
        self.client = client
        self.tell = tell
        self.since: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.hear: list[Hear] = []

    def __repr__(self) -> str:
        return "<Desk>"

    async def work(self) -> None:
        """Do what is done beside the answers, as long as the console runs. It is cancelled at the end."""

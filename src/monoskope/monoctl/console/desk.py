"""What all operations of one console share: the client, the kept secrets, and what is told to the page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from monoskope.client import Client
from monoskope.monoctl.console.events import Hear
from monoskope.monoctl.console.kept.overview import Overview
from monoskope.monoctl.console.kept.secrets import KeptSecrets
from monoskope.unshared import Unshared


class Desk(Unshared):
    """One console's client, and its way to tell the page something.

    Attributes:
        client: Open as long as the console runs; it asks nobody (`confirm` is None).
        tell: Sends one message of the live stream to every page: a document with `kind`.
        since: The position of m8's log after which events are heard, once m8 has answered for the first time.
        secrets: What m8 shows of all secrets.
        overview: What is counted over them.
        hear: What is called with each event that m8 records after `since`, over every break.
    """

    def __init__(self, client: Client, tell: Callable[[dict[str, object]], None]) -> None:
        self.client = client
        self.tell = tell
        self.since: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.secrets = KeptSecrets(lambda: client.queries, self._told)
        self.overview = Overview(self.secrets)
        self.hear: list[Hear] = [self.secrets.saw]

    def __repr__(self) -> str:
        return "<Desk>"

    async def work(self) -> None:
        """Do what is done beside the answers, as long as the console runs. It is cancelled at the end."""
        await self.since
        await self.secrets.run()

    def _told(self) -> None:
        self.tell({"kind": "secrets", "loaded": self.secrets.loaded, "complete": self.secrets.complete})

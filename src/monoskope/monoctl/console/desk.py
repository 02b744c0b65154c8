"""What all operations of one console share: the client, what it keeps of m8's answers, and what is told to the page."""

from __future__ import annotations

from collections.abc import Callable

from monoskope.client import Client
from monoskope.monoctl.console.kept.found import Found
from monoskope.monoctl.console.kept.recent import RecentEvents
from monoskope.monoctl.console.kept.secrets import KeptSecrets
from monoskope.value import Unshared


class Desk(Unshared):
    """One console's client, the secrets that it keeps, and its way to tell the page something.

    Attributes:
        client: Open as long as the console runs; it asks nobody (`confirm` is None).
        tell: Sends one message of the live stream to every page: a document with `kind`.
        secrets: What m8 shows of all secrets. Its `run` reads them; its `saw` is told of each event.
        found: Those of them that were asked for lately.
        recent: The events that were recorded lately.
    """

    def __init__(self, client: Client, tell: Callable[[dict[str, object]], None]) -> None:
        self.client = client
        self.tell = tell
        self.secrets = KeptSecrets(lambda: client.queries, self.tell_of_secrets)
        self.found = Found(self.secrets)
        self.recent = RecentEvents(lambda: client.queries)

    def __repr__(self) -> str:
        return "<Desk>"

    def tell_of_secrets(self) -> None:
        """Have every page ask again for what it shows of secrets."""
        self.tell({"kind": "secrets", "loaded": self.secrets.loaded, "complete": self.secrets.complete})

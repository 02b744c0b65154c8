"""What a page needs for its first view, in the answer that begins its session: one round trip, and none to m8."""

from __future__ import annotations

import asyncio

from monoskope.monoctl.console.desk import Desk
from monoskope.monoctl.console.operations.fields import Nothing
from monoskope.monoctl.console.operations.reading.caller import whoami
from monoskope.monoctl.console.operations.reading.secrets import SecretsAsked, secrets
from monoskope.monoctl.output.formats import Document


class Greeting:
    """Asks m8 who the caller is while the browser starts, so that the page need not wait for it.

    Args:
        desk: The console's.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._asked: asyncio.Future[Document] | None = None

    def prepare(self) -> None:
        """Ask m8 now; call it for each link. The answer is at most as old as the link that is used."""
        self._asked = asyncio.ensure_future(whoami(self._desk, Nothing()))

    async def answer(self) -> Document:
        """Return who the caller is, and the first page of secrets as far as they have been read."""
        asked, self._asked = self._asked, None
        me = await asked if asked else None
        if me is None or me["away"]:
            me = await whoami(self._desk, Nothing())
        return {"me": me, "first": await secrets(self._desk, SecretsAsked())}

"""Erases the sealed bytes of requests that ended long ago, a little at a time, as `erase_sealed_after_days` says.

It goes through the index of ended requests in the order in which they ended, and keeps in the log how far it came. So
it looks at each request once, however many there are. One m8 process of a log does it at a time, by the lease
`retention`; two at once would erase the same bytes, which does no harm.
"""

from __future__ import annotations

import asyncio

from monoskope import operating_log
from monoskope.errors import UnavailableError
from monoskope.m8.readmodels.uploads import ENDED, ended
from monoskope.m8.service.app import App

LEASE = "retention"
"""The lease under which it runs."""

LEASE_S = 60.0
"""Seconds for which the lease is taken each time."""

PROGRESS = "retention/progress"
"""The key of the heartbeat whose note is the last key of the index that it has dealt with."""

ROUND_S = 600.0
"""How often it looks for more."""

PAGE = 500
"""Requests that it looks at in one step."""

PAUSE_S = 0.05
"""Between two steps, so that appends have the disk for themselves most of the time."""

_DAY_MS = 86_400_000


class Retention:
    """Erases what one log no longer needs.

    Args:
        app: The process.
        days: How long after the end of its request sealed bytes are kept, at least 1.
    """

    def __init__(self, app: App, days: int) -> None:
        self._app = app
        self._keep_ms = days * _DAY_MS
        self._is_failing = False

    async def run(self) -> None:
        """Look for more again and again, until cancelled. If the log does not answer, the next round tries again."""
        while True:
            try:
                erased = await self.round()
                self._is_failing = False
                if erased:
                    operating_log.get().info(
                        "sealed bytes erased", message=f"{erased} of requests that ended long ago."
                    )
            except UnavailableError as error:
                if not self._is_failing:
                    operating_log.get().warning("sealed bytes are not erased", code=error.code.value)
                self._is_failing = True
            await asyncio.sleep(ROUND_S)

    async def round(self) -> int:
        """Erase everything that is due, and return how many sealed bytes there were.

        Raises:
            UnavailableError: the log fails; what was erased until then is.
        """
        erased = 0
        after = (await self._app.log.beat_notes()).get(PROGRESS, b"").decode()
        before_ms = self._app.clock() - self._keep_ms
        if after and ended(after)[0] > before_ms + _DAY_MS:
            after = ""  # a clock was ahead, and what ended since then would be passed
        while page := await self._app.log.scan(ENDED, after=after, limit=PAGE):
            due = [key for key, _ in page if ended(key)[0] <= before_ms]
            if due:
                erased += await self._erase({ended(key)[1] for key in due})
                after = due[-1]
                await self._app.log.beat(PROGRESS, self._app.clock(), after.encode())
            if len(due) < len(page) or len(page) < PAGE:
                break
            await asyncio.sleep(PAUSE_S)
        return erased

    async def _erase(self, digests: set[bytes]) -> int:
        # The same bytes may have been sent again for a request that is still open.
        async for upload in self._app.documents.open_uploads():
            digests.discard(upload.sealed_sha256)
        return await self._app.log.erase_sealed(sorted(digests))

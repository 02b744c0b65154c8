"""The secrets that m8 shows, in memory: read once, then asked again one by one as events name them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client.queries import MAX_PAGE_SIZE, Queries
from monoskope.errors import Error, NotFoundError
from monoskope.monoctl.console.counts import Counts
from monoskope.monoctl.console.rows import Row
from monoskope.uri import MAX_BYTES as MOST_URI

MOST = 50_000
"""How many secrets are cached at most: some 200 MB."""

MOST_BYTES = 134_217_728
"""How many bytes of m8's answers are cached at most: twice what `MOST` secrets have, unless m8 makes them large."""

_FIRST = 100
"""How many secrets are read before all others, so that a page has its first rows at once."""

_AT_ONCE = 16
"""How many secrets m8 is asked about at once."""

_MANY = 500
"""If events name more secrets than this at once, the whole listing is read again: that takes fewer calls."""

_REST = 4
"""The listing is read again after a rest of so many times as long as it took: m8 has others to answer."""

_EDITED = "SecretNotesUpdated"
_STATES = (views_pb2.SECRET_STATE_PRESENT, views_pb2.SECRET_STATE_DELETED)


class SecretCache:
    """What m8 shows of all secrets that the caller may see, in memory, kept up to date by m8's events.

    `run` reads the listing and then asks again for each secret that an event names. The caller follows the events
    from a moment before it on, and tells each to `saw`: then no change is missed, also not over a break of the stream.

    Args:
        queries: Returns those of the console's open client.
        tell: Called when the cache has changed.
        most: How many secrets are cached.
        most_bytes: How many bytes of m8's answers.
        pause_s: Seconds in which what events name is gathered before m8 is asked.
        again_s: Seconds after which m8 is asked again if it did not answer.
    """

    def __init__(
        self,
        queries: Callable[[], Queries],
        tell: Callable[[], None],
        *,
        most: int = MOST,
        most_bytes: int = MOST_BYTES,
        pause_s: float = 0.1,
        again_s: float = 2.0,
    ) -> None:
        self._queries = queries
        self._tell = tell
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._pause_s = pause_s
        self._again_s = again_s
        self.rows: dict[str, Row] = {}
        """The rows by URI, in no order."""
        self._named: set[str] = set()
        self._wake = asyncio.Event()
        self._reads = True
        self.is_full = False
        """Whether there are more secrets than are cached."""
        self._is_whole = False
        self._rests_until = 0.0
        self._why = ""
        self.changes = 0
        """Grows with each change of a row."""
        self.counts = Counts()
        """What is counted over the rows."""

    @property
    def complete(self) -> bool:
        """Whether these are all that the caller may see."""
        return self._is_whole and not self.is_full

    @property
    def note(self) -> str:
        """What the user should know about how much is cached, else ""."""
        if self.is_full:
            return (
                f"There are more secrets than the {len(self.rows):,} that the console keeps. Name a prefix to search"
                " among the others."
            )
        return self._why

    def saw(self, event: views_pb2.EventSummary) -> None:
        """Take note of an event: the secret that it names is asked again."""
        uri = event.uri
        if not uri and event.type == _EDITED:
            uri = event.detail.partition(": ")[0]
        if not uri or len(uri) > MOST_URI:
            return
        self._named.add(uri)
        if len(self._named) > _MANY:
            # One more reading finds all of them.
            self._named.clear()
            self._reads = True
        self._wake.set()

    def read_again(self) -> None:
        """Read the whole listing again, because events may have been missed."""
        self._reads = True
        self._wake.set()

    async def run(self) -> None:
        """Read the listing, then keep it up to date, until cancelled. What m8 does not answer is asked again."""
        while True:
            try:
                if self._reads:
                    await self._read_rested()
                elif self._named:
                    await self._ask_named()
                else:
                    await self._wake.wait()
                    self._wake.clear()
                    await asyncio.sleep(self._pause_s)
            except Error as error:
                self._failed(error)
                await asyncio.sleep(self._again_s)

    async def ask(self, uris: Iterable[str]) -> None:
        """Ask m8 now what it knows of these secrets. What it does not answer is asked again by `run`."""
        asked = set(uris)
        results = await asyncio.gather(*map(self._asked, asked), return_exceptions=True)
        changed = False
        for uri, result in zip(asked, results, strict=True):
            if isinstance(result, BaseException):
                self._named.add(uri)
                self._wake.set()
                if not isinstance(result, Error):
                    raise result
            elif result is not None and uri not in self.rows and self._has_no_room():
                self.is_full = True
            else:
                changed |= self._took(uri, result)
        if changed:
            self._tell()

    async def _asked(self, uri: str) -> views_pb2.Secret | None:
        try:
            return await self._queries().secret(uri)
        except NotFoundError:
            return None

    async def _ask_named(self) -> None:
        batch = [self._named.pop() for _ in range(min(_AT_ONCE, len(self._named)))]
        before = len(self._named)
        await self.ask(batch)
        if any(uri in self._named for uri in batch) and len(self._named) > before:
            # m8 did not answer: not again at once.
            await asyncio.sleep(self._again_s)

    async def _read_rested(self) -> None:
        """Read the listing, but not without a rest if events name many secrets all the time."""
        now = asyncio.get_running_loop().time
        await asyncio.sleep(max(0.0, self._rests_until - now()))
        begun = now()
        await self._read()
        self._rests_until = now() + _REST * (now() - begun)

    async def _read(self) -> None:
        self._reads, self.is_full = False, False
        # What is named from here on is asked after this reading, so no answer that is older wins.
        self._named.clear()
        found: set[str] = set()
        size = 0
        try:
            if not self.rows:
                await self._read_first()
            for state in _STATES:
                async for view in self._queries().secrets(state=state, page_size=MAX_PAGE_SIZE):
                    if len(found) >= self._most or size >= self._most_bytes:
                        self.is_full = True
                        break
                    found.add(view.uri)
                    size += view.ByteSize()
                    self._took(view.uri, view)
                    if len(found) % MAX_PAGE_SIZE == 0:
                        self._tell()
                        # Let the page's questions be answered.
                        await asyncio.sleep(0)
        except BaseException:
            self._reads = True
            raise
        for uri in self.rows.keys() - found:
            self._put(uri, None)
        self._is_whole, self._why = True, ""
        self._tell()

    async def _read_first(self) -> None:
        """Keep the first secrets by their URIs: those with which the page begins."""
        count = 0
        async for view in self._queries().secrets(state=_STATES[0], page_size=min(_FIRST, self._most)):
            self._took(view.uri, view)
            count += 1
            if count == _FIRST or self._has_no_room():
                break
        self._tell()

    def _took(self, uri: str, view: views_pb2.Secret | None) -> bool:
        """Keep what m8 answered about a secret, and return whether anything is different."""
        known = self.rows.get(uri)
        if view is None or view.uri != uri:
            self._put(uri, None)
            return known is not None
        if known is not None and known.view == view:
            return False
        self._put(uri, Row(view))
        return True

    def _has_no_room(self) -> bool:
        return len(self.rows) >= self._most or self._bytes >= self._most_bytes

    def _put(self, uri: str, row: Row | None) -> None:
        self.changes += 1
        before = self.rows.pop(uri, None)
        if before is not None:
            self._bytes -= before.view.ByteSize()
            self.counts.remove(before)
        if row is not None:
            self._bytes += row.view.ByteSize()
            self.rows[uri] = row
            self.counts.add(row)

    def _failed(self, error: Error) -> None:
        self._why = f"The list is not what m8 knows now, because it was not read to its end: {error.message}"
        self._tell()

"""What pages are told while they ask nothing: m8's events as they come, notes, and how far requests are.

A stream has one JSON object a line.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client.connection import RenewedError
from monoskope.client.queries import FIRST_PAUSE_S, LONGEST_PAUSE_S, Queries
from monoskope.client.walk.task import Progress, Stage
from monoskope.errors import Error, LogMismatchError, NotReachedError
from monoskope.monoctl.output.ending import failure
from monoskope.monoctl.output.formats import Document
from monoskope.text import json_text

TICK_S = 15.0
"""Seconds after which a stream says that it lives, if it has nothing else to say."""

MOST_WAITING = 2_000
"""Messages that wait for a page at most: one that reads none, such as a page that the browser has put to sleep, has its
stream ended, and asks again when it wakes."""

MOST_BYTES = 8_388_608
"""And so many bytes: what m8 says of an event can be long."""

OnEvent = Callable[[views_pb2.EventSummary], None]
"""What is called with each event, in the order of the log."""

OnAway = Callable[[str, Document | None], None]
"""What is called with why m8 does not answer, "" if it does, and with the failure if its log does not hold."""

_collected: ContextVar[list[str] | None] = ContextVar("collected", default=None)


def note(sentence: str) -> bool:
    """Note a sentence for the operation under way in this context; return whether one collects them."""
    sentences = _collected.get()
    if sentences is not None and sentence not in sentences:
        sentences.append(sentence)
    return sentences is not None


@contextmanager
def collected() -> Iterator[list[str]]:
    """Collect what is said until the end of the block, also in tasks that are begun in it."""
    sentences: list[str] = []
    token = _collected.set(sentences)
    try:
        yield sentences
    finally:
        _collected.reset(token)


class Live:
    """What all pages of one console are told.

    Args:
        tick_s: Seconds between two signs of life.
    """

    def __init__(self, *, tick_s: float = TICK_S) -> None:
        self._tick_s = tick_s
        self._pages: set[_Page] = set()
        self._m8: Document = {"kind": "m8", "away": "", "stop": None}
        self._people: dict[str, str] = {}

    def tell(self, document: Document) -> None:
        """Tell every page."""
        told = line(document) if self._pages else b""
        for page in list(self._pages):
            page.put(told)

    def m8(self, away: str, stop: Document | None = None) -> None:
        """Tell that m8 answers ("") or why it does not; a page that comes later hears it, too.

        Args:
            away: Why.
            stop: The failure of a log that does not hold: each page that hears it stops for good.
        """
        said: Document = {"kind": "m8", "away": away, "stop": stop}
        if said != self._m8:
            self._m8 = said
            self.tell(said)

    def people(self, shown: Mapping[str, str]) -> None:
        """Tell how people are shown who have names, each by the id; a page that comes later hears it, too."""
        self._people |= shown
        self.tell({"kind": "people", "shown": dict(shown)})

    def note(self, text: str) -> None:
        """Tell a sentence that the user should know."""
        self.tell({"kind": "note", "text": text})

    def progress(self, progress: Progress) -> None:
        """Tell how far a request is."""
        self.tell(
            {
                "kind": "progress",
                "uri": str(progress.uri),
                "request_id": progress.request_id.hex(),
                "stage": progress.stage.name,
                "end": progress.end if progress.stage is Stage.ENDED else "",
                "touch": progress.touch,
            }
        )

    async def lines(self, ends: list[Callable[[], None]]) -> AsyncGenerator[bytes, None]:
        """Yield what one page is told, until it is ended.

        Args:
            ends: Has what ends the stream, as long as it is open.
        """
        page = _Page()
        self._pages.add(page)
        ends.append(page.end)
        try:
            known = [line({"kind": "people", "shown": self._people})] if self._people else []
            for told in (line(self._m8), *known):
                yield told
            while not page.has_ended:
                yield await page.next(self._tick_s)
        finally:
            self._pages.discard(page)
            ends.remove(page.end)

    def end(self) -> None:
        """End every stream: the console ends."""
        for page in list(self._pages):
            page.end()


class _Page:
    """What waits for one page."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue()
        self._bytes = 0
        self.has_ended = False

    def put(self, told: bytes) -> None:
        if self._waiting.qsize() >= MOST_WAITING or self._bytes + len(told) > MOST_BYTES:
            self.end()
        else:
            self._waiting.put_nowait(told)
            self._bytes += len(told)

    def end(self) -> None:
        self.has_ended = True
        while not self._waiting.empty():
            self._waiting.get_nowait()
        self._waiting.put_nowait(b"")

    async def next(self, tick_s: float) -> bytes:
        try:
            async with asyncio.timeout(tick_s):
                told = await self._waiting.get()
        except TimeoutError:
            return _TICK
        self._bytes -= len(told)
        return told or _TICK


def line(document: Document) -> bytes:
    """Return one message of the stream."""
    return json_text(document).encode() + b"\n"


_TICK = line({"kind": "tick"})


async def follow_events(queries: Queries, began: Callable[[], None], seen: OnEvent, away: OnAway) -> None:
    """Call `seen` once with each event that m8 records from now on, over every break, until cancelled.

    Unlike `client.follow`, it goes on when m8 refuses, as when a token has expired: the pages say so until then. And it
    asks m8 for its head before it watches again: so it knows that m8 is back, though nothing happens there.

    Args:
        queries: Of the console's client.
        began: Called when each event comes from now on and earlier ones may be missing: at first, and when m8's log is
            shorter than what came of it, as after a restore from a backup.
        seen: Called with each event.
        away: Called when m8 does not answer, and when it does again.
    """
    after: int | None = None
    pause = FIRST_PAUSE_S
    while True:
        try:
            head = await queries.head()
            away("", None)
            if after is None or head < after:
                after = head
                began()
            async for event in queries.watch(after=after):
                pause = FIRST_PAUSE_S
                if event.position > after:
                    after = event.position
                    seen(event)
        except RenewedError:
            continue
        except Error as error:
            stop = failure(error) if isinstance(error, LogMismatchError) else None
            away(_why(error, has_answered=after is not None), stop)
        await queries.runtime.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)


def _why(error: Error, *, has_answered: bool) -> str:
    # That the address may be wrong is no help once m8 has answered there.
    return error.message if has_answered and isinstance(error, NotReachedError) else str(error)

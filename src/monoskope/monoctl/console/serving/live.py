"""The live stream: what each page is told while nobody asks, as one JSON object a line."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Callable

from monoskope.client.walk.task import Progress, Stage
from monoskope.escape import json_text
from monoskope.monoctl.output.formats import Document

TICK_S = 15.0
"""Seconds after which a stream says that it lives, if it has nothing else to say."""

MOST_WAITING = 2_000
"""Messages that wait for a page at most: one that reads none, such as a page that the browser has put to sleep, has its
stream ended, and asks anew when it wakes."""

MOST_BYTES = 8_388_608
"""And so many bytes: what m8 says of an event can be long."""


class Live:
    """What all pages of one console are told.

    Args:
        tick_s: Seconds between two signs of life.
    """

    def __init__(self, *, tick_s: float = TICK_S) -> None:
        self._tick_s = tick_s
        self._pages: set[_Page] = set()
        self._m8: Document = {"kind": "m8", "away": "", "stop": None}

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
            yield line(self._m8)
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
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._is_new = asyncio.Event()
        self.has_ended = False

    def put(self, told: bytes) -> None:
        if len(self._waiting) >= MOST_WAITING or self._bytes + len(told) > MOST_BYTES:
            self.end()
        else:
            self._waiting.append(told)
            self._bytes += len(told)
            self._is_new.set()

    def end(self) -> None:
        self.has_ended = True
        self._waiting.clear()
        self._bytes = 0
        self._is_new.set()

    async def next(self, tick_s: float) -> bytes:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(tick_s):
                await self._is_new.wait()
        told = self._waiting.popleft() if self._waiting else _TICK
        self._bytes -= len(told) if told is not _TICK else 0
        if not self._waiting and not self.has_ended:
            self._is_new.clear()
        return told


def line(document: Document) -> bytes:
    """Return one message of the stream."""
    return json_text(document).encode() + b"\n"


_TICK = line({"kind": "tick"})

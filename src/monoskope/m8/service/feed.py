"""The one subscription of a process to its log, shared by all calls that wait for events.

A call that waits for a request (`until`) is woken by its stream. A call that follows the log (`follow`) gets a bounded
queue, so memory does not grow: a follower that is too slow gets an error and has to begin again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterator
from typing import TypeVar

from monoskope.errors import Error, UnavailableError
from monoskope.m8.log.event_log import EventLog, RecordedEvent

T = TypeVar("T")

RETRY_S = 1.0
"""Seconds before the log is asked again after it did not answer."""


def _every(_event: RecordedEvent) -> bool:
    return True


class Follower:
    """The queue of events that one call wants, in order, from the moment it joined."""

    def __init__(self, wants: Callable[[RecordedEvent], bool], backlog: int) -> None:
        self._wants = wants
        self._backlog = backlog
        self._events: deque[RecordedEvent] = deque()
        self._changed = asyncio.Event()
        self._ended = asyncio.Event()
        self._error: Error = too_slow()

    def take(self, event: RecordedEvent) -> None:
        """Queue an event if it is wanted; never waits. A follower that is too far behind is ended."""
        if self._ended.is_set() or not self._wants(event):
            return
        if len(self._events) >= self._backlog:
            self.end(too_slow())
        else:
            self._events.append(event)
            self._changed.set()

    def end(self, error: Error) -> None:
        """Let `next` and `failure` raise `error` from now on; what was queued is dropped."""
        self._error = error
        self._events.clear()
        self._ended.set()
        self._changed.set()

    async def next(self) -> RecordedEvent:
        """Return the next event. Raises `UnavailableError` if this follower was too slow, or m8 stops."""
        while not self._events:
            if self._ended.is_set():
                raise self._error
            self._changed.clear()
            await self._changed.wait()
        return self._events.popleft()

    @property
    def behind(self) -> int:
        """How many events wait to be taken."""
        return len(self._events)

    async def failure(self) -> None:
        """Wait until this follower is ended, and raise the reason."""
        await self._ended.wait()
        raise self._error


def _stopped() -> UnavailableError:
    return UnavailableError("m8 is stopping.", fix="Connect again.")


def too_slow() -> UnavailableError:
    """Return the answer to a peer that does not read what it asked for."""
    return UnavailableError("events are not read as fast as they are recorded.", fix="Connect again; nothing is lost.")


class Waker:
    """Wakes one call that waits for a stream. Made by `Feed.waiting`.

    Attributes:
        events: The events of the stream since it was made: durable, and in their order.
    """

    def __init__(self, wakes: Callable[[RecordedEvent], bool]) -> None:
        self.events: list[RecordedEvent] = []
        self.has_stopped = False
        self._wakes = wakes
        self._signal = asyncio.Event()

    def saw(self, event: RecordedEvent) -> None:
        """Take in an event of the stream."""
        self.events.append(event)
        if self._wakes(event):
            self._signal.set()

    def stop(self) -> None:
        """Let `until` return without an answer."""
        self.has_stopped = True
        self._signal.set()

    async def until(self, ready: Callable[[], Awaitable[T | None]], *, wait_s: float, at_once: bool = True) -> T | None:
        """Return what `ready` returns as soon as that is not None, None after `wait_s` seconds or when m8 stops.

        `ready` is asked after every event that wakes, and first of all if `at_once`: that is to be spared where no such
        event can have been recorded before this was made.
        """
        try:
            async with asyncio.timeout(wait_s):
                answer = await ready() if at_once else None
                while answer is None and not self.has_stopped:
                    await self._signal.wait()
                    self._signal.clear()
                    answer = await ready()
                return answer
        except TimeoutError:
            return None


class Feed:
    """Reads the log once and passes each event to all followers. Call `begin`, then keep `run` running.

    Args:
        log: What is read.
        backlog: How many events a follower may be behind.
        saw: Called with every event, before any follower; it must be quick.
    """

    def __init__(
        self, log: EventLog, *, backlog: int, saw: Callable[[RecordedEvent], None] = lambda _event: None
    ) -> None:
        self._saw = saw
        self._log = log
        self._backlog = backlog
        self._position = 0
        self._waiting: dict[str, set[Waker]] = {}
        self._followers: set[Follower] = set()
        self._stopping = False

    async def begin(self) -> None:
        """Start at the log's present end: later events are passed on."""
        self._position = await self._log.head()

    async def run(self) -> None:
        """Pass on every event until the log is closed. Raises `LogTamperedError`."""
        while True:
            try:
                await self._read()
            except UnavailableError:
                await asyncio.sleep(RETRY_S)
            else:
                return

    def stop(self) -> None:
        """End all waiting calls and followers, so that a server that stops does not wait for them."""
        self._stopping = True
        for follower in self._followers:
            follower.end(_stopped())
        for wakers in self._waiting.values():
            for waker in wakers:
                waker.stop()

    async def _read(self) -> None:
        async with contextlib.aclosing(self._log.subscribe(after=self._position)) as events:
            async for event in events:
                await self._tell(event)

    @contextlib.contextmanager
    def waiting(
        self, stream: str, wakes: Callable[[RecordedEvent], bool] = _every, *, also: Collection[str] = ()
    ) -> Iterator[Waker]:
        """Take note of the events of `stream` and `also` as the block runs; those for which `wakes` is true wake it.

        `also` names further streams, and URIs: whatever is recorded about these.

        What the block asks of the log is asked after this has begun, so that no event can fall between.
        """
        waker = Waker(wakes)
        if self._stopping:
            waker.stop()
        for about in (stream, *also):
            self._waiting.setdefault(about, set()).add(waker)
        try:
            yield waker
        finally:
            for about in {stream, *also}:
                self._forget(about, waker)

    @contextlib.contextmanager
    def follow(self, wants: Callable[[RecordedEvent], bool]) -> Iterator[Follower]:
        """Follow the log from now on, as long as the block runs."""
        follower = Follower(wants, self._backlog)
        if self._stopping:
            follower.end(_stopped())
        self._followers.add(follower)
        try:
            yield follower
        finally:
            self._followers.discard(follower)

    def _forget(self, about: str, waker: Waker) -> None:
        waiting = self._waiting[about]
        waiting.discard(waker)
        if not waiting:
            del self._waiting[about]

    @property
    def position(self) -> int:
        """The position of the last event that was passed on."""
        return self._position

    @property
    def subscribers(self) -> int:
        """How many reactors and watchers follow the log here."""
        return len(self._followers)

    @property
    def worst_lag(self) -> int:
        """How many events the slowest of them has not taken yet."""
        return max((follower.behind for follower in self._followers), default=0)

    async def _tell(self, event: RecordedEvent) -> None:
        self._saw(event)
        for follower in tuple(self._followers):
            follower.take(event)
        for waker in (*self._waiting.get(event.stream, ()), *self._waiting.get(event.uri, ())):
            waker.saw(event)
        self._position = event.position

"""The one subscription of a process to its log, shared by all calls that wait for events.

A call that waits for a request (`until`) is woken by its stream. A call that follows the log (`follow`) gets a bounded
queue, so memory does not grow: a follower that is too slow gets an error and has to begin again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import Error, UnavailableError
from monoskope.m8.domain.events import read
from monoskope.m8.log.event_log import EventLog, RecordedEvent
from monoskope.protocol.events import request_id_of, upload_stream
from monoskope.protocol.request import parse_request
from monoskope.uri import SecretUri

T = TypeVar("T")

BACKLOG = 1_000
"""How many events a follower may be behind before it is ended."""

RETRY_S = 1.0
"""Seconds before the log is asked again after it did not answer."""

_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class LocatedEvent:
    """An event, and the URI of its secret if it is one of a request's, or an edit of a secret's notes."""

    event: RecordedEvent
    uri: SecretUri | None


def _every(_event: RecordedEvent) -> bool:
    return True


class Follower:
    """The queue of events that one call wants, in order, from the moment it joined."""

    def __init__(self, wants: Callable[[LocatedEvent], bool], backlog: int) -> None:
        self._wants = wants
        self._backlog = backlog
        self._events: deque[LocatedEvent] = deque()
        self._changed = asyncio.Event()
        self._ended = asyncio.Event()
        self._error: Error = too_slow()

    def take(self, located: LocatedEvent) -> None:
        """Queue an event if it is wanted; never waits. A follower that is too far behind is ended."""
        if self._ended.is_set() or not self._wants(located):
            return
        if len(self._events) >= self._backlog:
            self.end(too_slow())
        else:
            self._events.append(located)
            self._changed.set()

    def end(self, error: Error) -> None:
        """Let `next` and `failure` raise `error` from now on; what was queued is dropped."""
        self._error = error
        self._events.clear()
        self._ended.set()
        self._changed.set()

    async def next(self) -> LocatedEvent:
        """Return the next event. Raises `UnavailableError` if this follower was too slow, or m8 stops."""
        while not self._events:
            if self._ended.is_set():
                raise self._error
            self._changed.clear()
            await self._changed.wait()
        return self._events.popleft()

    async def failure(self) -> None:
        """Wait until this follower is ended, and raise the reason."""
        await self._ended.wait()
        raise self._error


def too_slow() -> UnavailableError:
    """Return the answer to a peer that does not read what it asked for."""
    return UnavailableError("events are not read as fast as they are recorded.", fix="Connect again; nothing is lost.")


class Feed:
    """Reads the log once and passes each event to all followers. Call `begin`, then keep `run` running."""

    def __init__(self, log: EventLog, *, backlog: int = BACKLOG) -> None:
        self._log = log
        self._backlog = backlog
        self._position = 0
        self._waiting: dict[str, dict[asyncio.Event, Callable[[RecordedEvent], bool]]] = {}
        self._followers: set[Follower] = set()
        self._stopping = False
        self._uris: OrderedDict[str, SecretUri] = OrderedDict()

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
            follower.end(UnavailableError("m8 is stopping.", fix="Connect again."))
        for signals in self._waiting.values():
            for signal in signals:
                signal.set()

    async def _read(self) -> None:
        async with contextlib.aclosing(self._log.subscribe(after=self._position)) as events:
            async for event in events:
                await self._tell(event)

    async def until(
        self,
        stream: str,
        ready: Callable[[], Awaitable[T | None]],
        *,
        wait_s: float,
        wakes: Callable[[RecordedEvent], bool] = _every,
    ) -> T | None:
        """Return what `ready` returns as soon as that is not None, None after `wait_s` seconds or when m8 stops.

        `ready` is asked at once and after every event of `stream` for which `wakes` is true. It is asked only after we
        are registered, so that no event can fall between the question and the waiting.
        """
        signal = asyncio.Event()
        self._waiting.setdefault(stream, {})[signal] = wakes
        try:
            async with asyncio.timeout(wait_s):
                while (answer := await ready()) is None and not self._stopping:
                    await signal.wait()
                    signal.clear()
                return answer
        except TimeoutError:
            return None
        finally:
            self._forget(stream, signal)

    @contextlib.contextmanager
    def follow(self, wants: Callable[[LocatedEvent], bool]) -> Iterator[Follower]:
        """Follow the log from now on, as long as the block runs."""
        follower = Follower(wants, self._backlog)
        self._followers.add(follower)
        try:
            yield follower
        finally:
            self._followers.discard(follower)

    async def locate(self, event: RecordedEvent) -> LocatedEvent:
        """Return `event` with the secret that it is about."""
        return LocatedEvent(event, await self._uri(event))

    def _forget(self, stream: str, signal: asyncio.Event) -> None:
        waiting = self._waiting[stream]
        del waiting[signal]
        if not waiting:
            del self._waiting[stream]

    async def _tell(self, event: RecordedEvent) -> None:
        # Without followers, nobody needs the secret of an event.
        if self._followers:
            located = await self.locate(event)
            for follower in tuple(self._followers):
                follower.take(located)
        for signal, wakes in self._waiting.get(event.stream, {}).items():
            if wakes(event):
                signal.set()
        self._position = event.position

    async def _uri(self, event: RecordedEvent) -> SecretUri | None:
        stream = event.stream
        request_id = request_id_of(stream)
        if request_id is None:
            return _noted_for(event)
        known = self._uris.get(stream)
        if known is None:
            known = _asked_for(event) or await self._recorded(request_id)
            if known is None:
                return None
            self._uris[stream] = known
            if len(self._uris) > _REMEMBERED:
                self._uris.popitem(last=False)
        return known

    async def _recorded(self, request_id: bytes) -> SecretUri | None:
        events = await self._log.read_stream(upload_stream(request_id))
        return _asked_for(events[0]) if events else None


def _asked_for(event: RecordedEvent) -> SecretUri | None:
    """Return the secret that a request's first event names; None for every other event."""
    message = read(event) if event.version == 1 else None
    if isinstance(message, events_pb2.SecretUploadKeyRequested):
        return parse_request(message.request).uri
    return None


def _noted_for(event: RecordedEvent) -> SecretUri | None:
    """Return the secret whose notes an event edits; None for every other event."""
    message = read(event) if event.type == events_pb2.SecretNotesUpdated.DESCRIPTOR.name else None
    return SecretUri.parse(message.uri) if isinstance(message, events_pb2.SecretNotesUpdated) else None

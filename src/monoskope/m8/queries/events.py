"""Queries about the event log: a page of events, or each event as it is recorded."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.errors import UnavailableError, UsageError
from monoskope.m8.credentials.standing import expired, standing, streams_of
from monoskope.m8.domain.principal import Principal
from monoskope.m8.domain.upload import unknown_request
from monoskope.m8.log.event_log import RecordedEvent
from monoskope.m8.queries.pages import (
    EventFilter,
    VisibleScope,
    is_visible,
    make_token,
    page_size,
    read_position,
    scope_of,
    visible_scope,
)
from monoskope.m8.readmodels.uploads import shown
from monoskope.m8.service.app import App, Caller
from monoskope.m8.service.feed import Follower
from monoskope.protocol.events import upload_stream
from monoskope.uri import SecretUri

MAX_LOOKED_AT = 5_000
"""How many events one page reads. So a page may be short or empty although a next one follows."""

_CHUNK = 100
"""Events that are read before other calls may run: a few milliseconds."""


_TURN_S = 0.02
"""Seconds that a page of the past takes from the others who read it: together they read some 5,000 events a second."""


class Events:
    """`ListEvents` and `WatchEvents` without a transport.

    Users see the events of requests below their prefixes, and none else; administrators see all.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._reading_past = 0

    async def list_events(
        self, message: queries_pb2.ListEventsRequest, caller: Caller
    ) -> queries_pb2.ListEventsResponse:
        """Return a page of events, in log order or the newest first.

        A page can be short or empty; only an empty token says that there is no next one.

        Raises:
            UsageError: a bad prefix, token or request id.
            NotFoundError: with `request_id`, the caller sees no such request.
            UnavailableError: this process knows no tree of that size.
        """
        scope = scope_of(message, "tree_size")
        begin = read_position(scope, message.page_token)
        wanted = EventFilter(message, visible_scope(caller.principal, message.prefix))
        # Before the page is made: an event that it misses stands after this position.
        head = await self._app.log.head()
        if message.request_id:
            chunks = self._of_request(message.request_id, wanted.visible, begin, newest_first=message.newest_first)
        else:
            first, last = await wanted.part(self._app.log, head)
            # Without an end, what is recorded meanwhile belongs to the page, too.
            chunks = (
                self._backward(begin, first=first, last=last)
                if message.newest_first
                else self._forward(begin, first=first, last=last if message.until_ms or message.before else None)
            )
        found, looked_at = await self._page(chunks, wanted, page_size(message.page_size))
        return queries_pb2.ListEventsResponse(
            events=[_row(event) for event in found],
            next_page_token=make_token(scope, str(looked_at)) if looked_at else "",
            head=head,
            inclusion=await self._inclusion(found, message.tree_size),
        )

    async def watch_events(
        self, message: queries_pb2.WatchEventsRequest, caller: Caller
    ) -> AsyncIterator[queries_pb2.WatchEventsResponse]:
        """Yield the events after a position, and then each new one as it is recorded.

        Raises:
            UsageError: a bad prefix.
            RefusedError: too many are watching already, with this token, as this subject, or in all.
            UnavailableError: the caller reads more slowly than events happen; or role bindings changed what the caller
                may see. Then the caller watches again, after the last position that came.
            UnauthenticatedError: the caller's token expired or was revoked meanwhile.
        """
        visible = visible_scope(caller.principal, message.prefix)
        after = message.after
        streams = streams_of(caller.principal)
        with self._app.watching.held(caller.principal):
            if not message.from_now:
                async with contextlib.aclosing(self._past(after, caller.principal)) as pages:
                    async for page in pages:
                        for event in page:
                            if is_visible(event, visible):
                                yield await self._response(event)
                        after = page[-1].position
            with (
                self._app.feed.follow(lambda one: one.stream in streams or is_visible(one, visible)) as follower,
                self._ended_in_time(follower, caller.principal),
            ):
                # Followed first, read then: a later revocation is seen as an event.
                await self._require_rights(caller.principal)
                head = await self._app.log.head()
                after = head if message.from_now else after
                while after < head:
                    page = await self._page_after(after, caller.principal)
                    for event in page:
                        if is_visible(event, visible):
                            yield await self._response(event)
                    after = page[-1].position
                while True:
                    event = await self._next(follower, caller.principal, streams)
                    if event.position > after and is_visible(event, visible):
                        yield await self._response(event)

    async def _response(self, event: RecordedEvent) -> queries_pb2.WatchEventsResponse:
        named = await self._app.people.names([event.actor])
        return _message(event, named.get(event.actor, ""))

    async def _inclusion(self, found: Sequence[RecordedEvent], size: int) -> tuple[bytes, ...]:
        """Return what proves that those of the events that a tree of `size` entries can have are in it."""
        indexes = sorted(event.position - 1 for event in found if event.position <= size)
        return await self._app.witnessed.tree.batch(indexes, size) if indexes else ()

    async def _past(self, after: int, principal: Principal) -> AsyncGenerator[list[RecordedEvent], None]:
        """Yield pages of what was recorded after `after`, until less than one is left.

        Nothing is queued for a watcher meanwhile: it would be called too slow for reading the past. Many that read the
        past at once take turns, so that they leave m8 time for others. Who does not take a page has no turn.
        """
        head = await self._app.log.head()
        while head - after > _CHUNK:
            self._reading_past += 1
            try:
                page = await self._page_after(after, principal)
                await asyncio.sleep(_TURN_S * (self._reading_past - 1))
            finally:
                self._reading_past -= 1
            yield page
            after = page[-1].position
            if head - after <= _CHUNK:  # what was recorded meanwhile is the past, too
                head = await self._app.log.head()

    async def _page_after(self, after: int, principal: Principal) -> list[RecordedEvent]:
        """Return the next events after the position `after`, as long as the caller has the rights to watch."""
        events = await self._app.log.read(after=after, limit=_CHUNK)
        await self._require_rights(principal)
        return events

    async def _next(self, follower: Follower, principal: Principal, streams: frozenset[str]) -> RecordedEvent:
        """Return the next event, as long as the token and what it allows, by these streams, are what they were."""
        event = await follower.next()
        if event.stream in streams or self._app.clock() >= principal.expires_at_ms:
            await self._require_rights(principal)
        return event

    @contextlib.contextmanager
    def _ended_in_time(self, follower: Follower, principal: Principal) -> Iterator[None]:
        """End `follower` when the token expires, if the block still runs: one timer for all events."""
        left_s = (principal.expires_at_ms - self._app.clock()) / 1000
        timer = asyncio.get_running_loop().call_later(left_s, follower.end, expired(principal.expires_at_ms))
        try:
            yield
        finally:
            timer.cancel()

    async def _require_rights(self, principal: Principal) -> None:
        """Raise unless the token is valid, and role bindings give its holder what they gave when the call came."""
        if await standing(self._app.aggregates, principal, self._app.clock()) != principal:
            raise UnavailableError(
                "role bindings changed what you may see.", fix="Watch again, after the last position that came."
            )

    async def _of_request(
        self, request_id: bytes, visible: VisibleScope, begin: int, *, newest_first: bool
    ) -> AsyncIterator[list[RecordedEvent]]:
        """Yield the request's events after the position `begin`, or before it with the newest first; 0 for all."""
        if len(request_id) != 16:
            raise UsageError("request_id: must have 16 bytes, or none.", fix="Give the whole id.")
        events = await self._app.log.read_stream(upload_stream(request_id))
        upload = shown(events)
        if upload is None or not visible.covers(SecretUri.parse(upload.uri)):
            raise unknown_request()
        if newest_first:
            yield [event for event in reversed(events) if not begin or event.position < begin]
        else:
            yield [event for event in events if event.position > begin]

    async def _forward(self, after: int, *, first: int, last: int | None) -> AsyncIterator[list[RecordedEvent]]:
        """Yield the events after the position `after`, from the position `first` to `last`, None for the end."""
        after = max(after, first - 1)
        while last is None or after < last:
            limit = _CHUNK if last is None else min(_CHUNK, last - after)
            events = await self._app.log.read(after=after, limit=limit)
            if not events:
                return
            yield events
            after = events[-1].position

    async def _backward(self, before: int, *, first: int, last: int) -> AsyncIterator[list[RecordedEvent]]:
        """Yield the events before the position `before`, 0 for all, from the position `last` back to `first`."""
        before = min(before or last + 1, last + 1)
        while before > first:
            begin = max(first, before - _CHUNK)
            yield (await self._app.log.read(after=begin - 1, limit=before - begin))[::-1]
            before = begin

    async def _page(
        self, chunks: AsyncIterator[list[RecordedEvent]], wanted: EventFilter, size: int
    ) -> tuple[list[RecordedEvent], int]:
        """Return up to `size` wanted events, and the position of the last one looked at, 0 if none is left."""
        found: list[RecordedEvent] = []
        looked_at = last = 0
        async for events in chunks:
            for event in events:
                if len(found) == size:
                    return found, last
                if wanted.takes(event):
                    found.append(event)
                last = event.position
            looked_at += max(len(events), 1)
            if looked_at >= MAX_LOOKED_AT:
                return found, last
            await asyncio.sleep(0)
        return found, 0


# All watchers get the same message, so it is made once.
@functools.lru_cache(maxsize=500)
def _message(event: RecordedEvent, name: str) -> queries_pb2.WatchEventsResponse:
    people = [views_pb2.PersonName(member=event.actor, name=name)] if name else []
    return queries_pb2.WatchEventsResponse(event=_row(event), people=people)


def _row(event: RecordedEvent) -> views_pb2.EventSummary:
    """Return what callers are shown of an event: its outline, and what that says."""
    return views_pb2.EventSummary(
        position=event.position,
        stream=event.stream,
        version=event.version,
        type=event.type,
        recorded_at_ms=event.recorded_at_ms,
        actor=event.actor,
        hash=event.hash,
        uri=event.uri,
        detail=event.detail,
        outline=event.outline,
    )

"""Queries about the event log: a page of events, or each event as it is recorded."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator

from monoskope.api.gateway.v1 import queries_pb2
from monoskope.errors import UnauthenticatedError, UsageError
from monoskope.m8.domain.events import token_stream
from monoskope.m8.domain.principal import Principal
from monoskope.m8.domain.upload import unknown_request
from monoskope.m8.log.event_log import RecordedEvent
from monoskope.m8.queries.paging import make_token, page_size, read_position
from monoskope.m8.queries.visible import VisibleScope, visible_scope
from monoskope.m8.readmodels.summary import summarise
from monoskope.m8.readmodels.tokens import REVOCATIONS
from monoskope.m8.service.app import App, Caller
from monoskope.m8.service.feed import Follower, LocatedEvent
from monoskope.protocol.events import upload_stream
from monoskope.uri import SecretUri

MAX_LOOKED_AT = 5_000
"""How many events one page reads. So a page may be short or empty although a next one follows."""

_CHUNK = 100
"""Events that are read before other calls may run: a few milliseconds."""


class Events:
    """`ListEvents` and `WatchEvents` without a transport.

    Users see the events of requests below their prefixes, and none else; administrators see all.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def list_events(
        self, message: queries_pb2.ListEventsRequest, caller: Caller
    ) -> queries_pb2.ListEventsResponse:
        """Return a page of events, in log order or the newest first.

        A page can be short or empty; only an empty token says that there is no next one.

        Raises:
            UsageError: a bad prefix, token or request id.
            NotFoundError: with `request_id`, the caller sees no such request.
        """
        order = "newest" if message.newest_first else "1"
        scope = f"events.{order}:{message.prefix}:{message.request_id.hex()}"
        begin = read_position(scope, message.page_token)
        visible = visible_scope(caller.principal, message.prefix)
        if message.request_id:
            chunks = self._of_request(message.request_id, visible, begin, newest_first=message.newest_first)
        elif message.newest_first:
            chunks = self._backward(begin)
        else:
            chunks = self._forward(begin)
        found, last = await self._page(chunks, visible, page_size(message.page_size))
        return queries_pb2.ListEventsResponse(
            events=[summarise(located.event, uri=str(located.uri or "")) for located in found],
            next_page_token=make_token(scope, str(last)) if last else "",
        )

    async def watch_events(
        self, message: queries_pb2.WatchEventsRequest, caller: Caller
    ) -> AsyncIterator[queries_pb2.WatchEventsResponse]:
        """Yield the events after a position, and then each new one as it is recorded.

        Raises:
            UsageError: a bad prefix.
            RefusedError: too many are watching already, with this token, as this subject, or in all.
            UnavailableError: the caller reads more slowly than events happen.
            UnauthenticatedError: the caller's token expired or was revoked meanwhile.
        """
        visible = visible_scope(caller.principal, message.prefix)
        after = message.after
        own = token_stream(caller.principal.token_id)
        place = self._app.watching.held(caller.principal)
        with (
            place,
            self._app.feed.follow(lambda one: one.event.stream == own or _is_visible(one, visible)) as follower,
        ):
            # Followed first, read then: a later revocation is seen as an event.
            await self._require_token(caller.principal)
            head = await self._app.log.head()
            while after < head and (events := await self._app.log.read(after=after, limit=_CHUNK)):
                for event in events:
                    located = await self._app.feed.locate(event)
                    if _is_visible(located, visible):
                        yield _response(located)
                after = events[-1].position
                await asyncio.sleep(0)
                await self._require_token(caller.principal)
            while True:
                located = await self._next(follower, caller.principal)
                if located.event.position > after and _is_visible(located, visible):
                    yield _response(located)

    async def _next(self, follower: Follower, principal: Principal) -> LocatedEvent:
        """Return the next event, as long as the token is valid."""
        left_ms = principal.expires_at_ms - self._app.clock()
        try:
            async with asyncio.timeout(left_ms / 1000):
                located = await follower.next()
        except TimeoutError:
            raise _ended("expired") from None
        if located.event.stream == token_stream(principal.token_id):
            await self._require_token(principal)
        return located

    async def _require_token(self, principal: Principal) -> None:
        if self._app.clock() >= principal.expires_at_ms:
            raise _ended("expired")
        if await self._app.log.get(REVOCATIONS, principal.token_id) is not None:
            raise _ended("was revoked")

    async def _of_request(
        self, request_id: bytes, visible: VisibleScope, begin: int, *, newest_first: bool
    ) -> AsyncIterator[list[RecordedEvent]]:
        """Yield the request's events after the position `begin`, or before it with the newest first; 0 for all."""
        if len(request_id) != 16:
            raise UsageError("request_id: must have 16 bytes, or none.", fix="Give the whole id.")
        upload = await self._app.documents.upload(request_id)
        if upload is None or not visible.covers(SecretUri.parse(upload.uri)):
            raise unknown_request()
        events = await self._app.log.read_stream(upload_stream(request_id))
        if newest_first:
            yield [event for event in reversed(events) if not begin or event.position < begin]
        else:
            yield [event for event in events if event.position > begin]

    async def _forward(self, after: int) -> AsyncIterator[list[RecordedEvent]]:
        """Yield all events after the position `after`."""
        while events := await self._app.log.read(after=after, limit=_CHUNK):
            yield events
            after = events[-1].position

    async def _backward(self, before: int) -> AsyncIterator[list[RecordedEvent]]:
        """Yield all events before the position `before`, the newest first; 0 for all."""
        head = await self._app.log.head()
        before = min(before or head + 1, head + 1)
        while before > 1:
            first = max(1, before - _CHUNK)
            yield (await self._app.log.read(after=first - 1, limit=before - first))[::-1]
            before = first

    async def _page(
        self, chunks: AsyncIterator[list[RecordedEvent]], visible: VisibleScope, size: int
    ) -> tuple[list[LocatedEvent], int]:
        """Return up to `size` visible events, and the position of the last one looked at, 0 if none is left."""
        found: list[LocatedEvent] = []
        looked_at = last = 0
        async for events in chunks:
            for event in events:
                if len(found) == size:
                    return found, last
                located = await self._app.feed.locate(event)
                if _is_visible(located, visible):
                    found.append(located)
                last = event.position
            looked_at += max(len(events), 1)
            if looked_at >= MAX_LOOKED_AT:
                return found, last
            await asyncio.sleep(0)
        return found, 0


def _ended(how: str) -> UnauthenticatedError:
    return UnauthenticatedError(
        f"the token {how} while it watched.", fix="Ask an administrator of m8 for a new token (m8 token create)."
    )


def _is_visible(located: LocatedEvent, visible: VisibleScope) -> bool:
    if located.uri is None:
        return visible.prefixes is None
    return visible.covers(located.uri)


# All watchers get the same message, so it is made once.
@functools.lru_cache(maxsize=500)
def _response(located: LocatedEvent) -> queries_pb2.WatchEventsResponse:
    return queries_pb2.WatchEventsResponse(event=summarise(located.event, uri=str(located.uri or "")))

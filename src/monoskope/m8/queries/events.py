"""Queries about the log itself, in its own order: a page at a time, or as it happens."""

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
from monoskope.m8.queries.visible import Sight, sight
from monoskope.m8.readmodels.summary import summarise
from monoskope.m8.readmodels.tokens import REVOCATIONS
from monoskope.m8.service.app import App, Caller
from monoskope.m8.service.feed import Follower, Noted
from monoskope.protocol.events import upload_stream
from monoskope.uri import SecretUri

MAX_LOOKED_AT = 5_000
"""Events that one page looks through; a page with fewer events than asked for, or none, can have a next one."""

_CHUNK = 100
"""Events looked at before others have their turn: a few milliseconds."""


class Events:
    """`ListEvents` and `WatchEvents` without a transport.

    Users see the events of requests below their prefixes, and none else; administrators see all.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def list_events(
        self, message: queries_pb2.ListEventsRequest, caller: Caller
    ) -> queries_pb2.ListEventsResponse:
        """Return a page of events. A page can be short or empty; only an empty token says that there is no next one.

        Raises:
            UsageError: a bad prefix, token or request id.
            NotFoundError: with `request_id`, there is no such request in sight.
        """
        scope = f"events.1:{message.prefix}:{message.request_id.hex()}"
        after = read_position(scope, message.page_token)
        seen = sight(caller.principal, message.prefix)
        size = page_size(message.page_size)
        if message.request_id:
            found, last = await self._of_request(message.request_id, seen, after=after, size=size)
        else:
            found, last = await self._of_log(seen, after=after, size=size)
        return queries_pb2.ListEventsResponse(
            events=[summarise(noted.event, uri=str(noted.uri or "")) for noted in found],
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
        seen = sight(caller.principal, message.prefix)
        after = message.after
        own = token_stream(caller.principal.token_id)
        place = self._app.watching.held(caller.principal)
        with (
            place,
            self._app.feed.follow(lambda noted: noted.event.stream == own or _in_sight(noted, seen)) as follower,
        ):
            # Joined first, asked then: a revocation that comes later is seen as an event.
            await self._require_token(caller.principal)
            head = await self._app.log.head()
            while after < head and (events := await self._app.log.read(after=after, limit=_CHUNK)):
                for event in events:
                    noted = await self._app.feed.note(event)
                    if _in_sight(noted, seen):
                        yield _response(noted)
                after = events[-1].position
                await asyncio.sleep(0)
                await self._require_token(caller.principal)
            while True:
                noted = await self._next(follower, caller.principal)
                if noted.event.position > after and _in_sight(noted, seen):
                    yield _response(noted)

    async def _next(self, follower: Follower, principal: Principal) -> Noted:
        """The next event, as long as the token counts."""
        left_ms = principal.expires_at_ms - self._app.clock()
        try:
            async with asyncio.timeout(left_ms / 1000):
                noted = await follower.next()
        except TimeoutError:
            raise _ended("expired") from None
        if noted.event.stream == token_stream(principal.token_id):
            await self._require_token(principal)
        return noted

    async def _require_token(self, principal: Principal) -> None:
        if self._app.clock() >= principal.expires_at_ms:
            raise _ended("expired")
        if await self._app.log.get(REVOCATIONS, principal.token_id) is not None:
            raise _ended("was revoked")

    async def _of_request(self, request_id: bytes, seen: Sight, *, after: int, size: int) -> tuple[list[Noted], int]:
        if len(request_id) != 16:
            raise UsageError("request_id: must have 16 bytes, or none.", fix="Give the whole id.")
        upload = await self._app.documents.upload(request_id)
        if upload is None or not seen.covers(SecretUri.parse(upload.uri)):
            raise unknown_request()
        events = await self._app.log.read_stream(upload_stream(request_id))
        found = [await self._app.feed.note(event) for event in events if event.position > after]
        return found[:size], found[size - 1].event.position if len(found) > size else 0

    async def _of_log(self, seen: Sight, *, after: int, size: int) -> tuple[list[Noted], int]:
        """The events found, and the position after which the next page begins, 0 at the log's end."""
        found: list[Noted] = []
        looked_at = 0
        while looked_at < MAX_LOOKED_AT:
            events = await self._app.log.read(after=after, limit=_CHUNK)
            for event in events:
                if len(found) == size:
                    return found, after
                await self._keep(event, seen, found)
                after = event.position
            await asyncio.sleep(0)
            looked_at += len(events)
            if len(events) < _CHUNK:
                return found, 0
        return found, after

    async def _keep(self, event: RecordedEvent, seen: Sight, found: list[Noted]) -> None:
        noted = await self._app.feed.note(event)
        if _in_sight(noted, seen):
            found.append(noted)


def _ended(how: str) -> UnauthenticatedError:
    return UnauthenticatedError(
        f"the token {how} while it watched.", fix="Ask an administrator of m8 for a new token (m8 token create)."
    )


def _in_sight(noted: Noted, seen: Sight) -> bool:
    if noted.uri is None:
        return seen.prefixes is None
    return seen.covers(noted.uri)


# All who watch are told the same, so it is worded once.
@functools.lru_cache(maxsize=500)
def _response(noted: Noted) -> queries_pb2.WatchEventsResponse:
    return queries_pb2.WatchEventsResponse(event=summarise(noted.event, uri=str(noted.uri or "")))

"""The query about changes: one of them, or pages of those that a caller may see, the newest first."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from monoskope import operating_log
from monoskope.api.gateway.v1 import changes_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.m8.credentials.standing import standing, streams_of
from monoskope.m8.domain.aggregates import change_of
from monoskope.m8.domain.change import change_stream
from monoskope.m8.domain.principal import Principal
from monoskope.m8.log.documents import Where
from monoskope.m8.queries.pages import make_token, page_size, read_token, scope_of
from monoskope.m8.queries.queries import MAX_PAGE
from monoskope.m8.readmodels.changes import CHANGES, OPEN, OVERTAKEN, Row, of_state, row_in, state_of
from monoskope.m8.readmodels.secrets import SECRETS
from monoskope.m8.service import policy
from monoskope.m8.service.app import App, Caller
from monoskope.m8.service.known_change import Known, view, visible
from monoskope.m8.service.upload_key import rotations
from monoskope.uri import SecretUri, UriPrefix

MAX_LOOKED_AT = 5_000
"""How many changes one page looks at. So a page may be short or empty although a next one follows."""

_CHUNK = 256
"""Rows that are read at once."""

_AT_A_TIME = 16
"""Streams that are: each holds up to 130 kilobytes of signatures."""


class ChangeQueries:
    """The query of `SecretChangeService`, without a transport."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def get_secret_changes(
        self, message: changes_pb2.GetSecretChangesRequest, caller: Caller
    ) -> changes_pb2.GetSecretChangesResponse:
        """Return the change that is asked for, or a page of those that the caller proposed or may approve.

        Raises:
            UsageError: a bad prefix or token.
            NotFoundError: there is no such change, or it is not the caller's to see.
            UnauthenticatedError: while the caller waited, its token expired or was revoked.
        """
        if message.change_id:
            return await self._one(message, caller)
        async with self._app.listing.held(caller.principal.subject):
            return await self._page(message, caller.principal)

    async def _one(
        self, message: changes_pb2.GetSecretChangesRequest, caller: Caller
    ) -> changes_pb2.GetSecretChangesResponse:
        operating_log.bind_contextvars(change_id=message.change_id.hex())
        principal, known = caller.principal, await visible(self._app, message.change_id, caller.principal)
        if message.wait_version and _is_as(known, message.wait_version):
            principal, known = await self._waited(message, known.row, caller)
        return changes_pb2.GetSecretChangesResponse(
            changes=[await view(self._app, known, principal)], rotations=await rotations(self._app, known.row.uri)
        )

    async def _waited(
        self, message: changes_pb2.GetSecretChangesRequest, row: Row, caller: Caller
    ) -> tuple[Principal, Known]:
        """Wait until a change is not as it was, or may not be shown any more; return the caller and it as they are.

        Raises:
            NotFoundError: it is not the caller's to see any more.
            UnauthenticatedError: the caller's token expired or was revoked meanwhile.
        """

        async def now() -> tuple[Principal, Known]:
            principal = await standing(self._app.aggregates, caller.principal, self._app.clock())
            return principal, await visible(self._app, message.change_id, principal)

        async def news() -> tuple[Principal, Known] | None:
            found = await now()
            return None if _is_as(found[1], message.wait_version) else found

        ends_ms = min((row.not_after + 1) * 1000, caller.principal.expires_at_ms)
        wait_s = max(0.0, min(caller.wait_s, (ends_ms - self._app.clock()) / 1000))
        also = {row.uri, row.place, *streams_of(caller.principal)}
        with self._app.feed.waiting(change_stream(row.change_id), also=also) as waker:
            return await waker.until(news, wait_s=wait_s) or await now()

    async def _page(
        self, message: changes_pb2.GetSecretChangesRequest, principal: Principal
    ) -> changes_pb2.GetSecretChangesResponse:
        wanted, scope, size = _Wanted.of(message, principal), scope_of(message), page_size(message.page_size)
        after, looked_at, taken = read_token(scope, message.page_token), 0, 0
        answer = changes_pb2.GetSecretChangesResponse()
        while looked_at < MAX_LOOKED_AT:
            found = await self._app.log.find(CHANGES, wanted.where, after=after, limit=_CHUNK)
            if not found:
                return answer
            async for key, known in self._shown(found, wanted):
                shown = await view(self._app, known, principal)
                taken += shown.ByteSize()
                if len(answer.changes) == size or (answer.changes and taken > MAX_PAGE):
                    answer.next_page_token = make_token(scope, after)
                    return answer
                answer.changes.append(shown)
                after = key
            looked_at, after = looked_at + len(found), found[-1][0]
        answer.next_page_token = make_token(scope, after)
        return answer

    async def _shown(self, found: list[tuple[str, bytes]], wanted: _Wanted) -> AsyncIterator[tuple[str, Known]]:
        """Yield the changes that are wanted of some documents, in their order, with their keys."""
        rows = [(key, row) for key, body in found if wanted.takes(row := row_in(body))]
        for start in range(0, len(rows), _AT_A_TIME):
            some = rows[start : start + _AT_A_TIME]
            about = [change_of(row.change_id) for _, row in some]
            seen = await self._app.aggregates.look(*about, documents={one for _, row in some for one in row.depends_on})
            for (key, row), one in zip(some, about, strict=True):
                state = state_of(row, seen.documents, self._app.clock())
                # What a newer m8 recorded, it shows.
                if wanted.fits(state) and seen.of(one).change is not None:
                    yield key, Known(seen.of(one), row, state, seen.documents[SECRETS, row.place])


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a caller asks for, and may see of it."""

    principal: Principal
    where: Where
    prefix: UriPrefix | None
    waiting: bool
    state: int

    @classmethod
    def of(cls, message: changes_pb2.GetSecretChangesRequest, principal: Principal) -> _Wanted:
        """Return what `message` asks for. Raises `UsageError` for a bad prefix."""
        prefix = UriPrefix.parse(message.prefix) if message.prefix else None
        recorded = OPEN if message.waiting else _RECORDED.get(message.state, message.state)
        where = of_state(recorded, principal.subject if message.mine else "")
        return cls(principal, where, prefix, message.waiting, message.state)

    def fits(self, state: int) -> bool:
        """Whether a change in that state can be among those."""
        return self.state in (0, state) and (state == OPEN or not self.waiting)

    def takes(self, row: Row) -> bool:
        """Whether a change is among those, but for its state."""
        places = tuple(map(_secret, {row.uri, row.place}))
        if not policy.sees_change(self.principal, row.subject, places):
            return False
        if self.prefix is not None and not any(self.prefix.covers(place) for place in places):
            return False
        if not self.waiting:
            return True
        may = policy.may_everywhere(self.principal, events_pb2.RIGHT_APPROVE, places)
        return may and self.principal.subject not in (row.subject, *row.approvers)


_RECORDED: Mapping[int, int] = {OVERTAKEN: OPEN, changes_pb2.CHANGE_STATE_ENDED: 0}
"""By which state, 0 for any, those are found that no event brought into theirs."""

_secret = functools.lru_cache(maxsize=1_024)(SecretUri.parse)


def _is_as(known: Known, version: int) -> bool:
    """Whether a change is open, and as it was at that version of its stream."""
    return known.state == OPEN and known.proposal.version <= version

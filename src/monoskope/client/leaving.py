"""What outlives the account of somebody who leaves, and how it ends (docs/access.md, When somebody leaves)."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import AsyncGenerator, Collection

from monoskope.api.secrets.v1 import events_pb2
from monoskope.client.access import Access
from monoskope.client.changes import Changes
from monoskope.client.queries import MAX_PAGE_SIZE, EventFilter
from monoskope.client.results import moment
from monoskope.client.results.access import WhoAmI
from monoskope.client.results.changes import ProposedChange
from monoskope.client.results.leaving import Offboarding, StandingApproval, UsedKey
from monoskope.client.session import Session
from monoskope.errors import UsageError
from monoskope.protocol.login import MemberKind

_KEYS_OF = dt.timedelta(days=366)
"""How far back the log is read for keys that signed."""
_BEGUN = events_pb2.SecretUploadKeyRequested.DESCRIPTOR.name
"""The first event of a request: its actor is the user."""
_SIGNED = re.compile(r", signed by ([A-Za-z0-9._@+-]{1,128}) with (SHA256:[A-Za-z0-9+/]{43})\Z", re.ASCII)
"""How the detail of an event that has a receipt ends, if a signature was asked for (m8/domain/events.py)."""


class Leaving:
    """What somebody who leaves leaves behind. Each method raises what m8 answers."""

    def __init__(self, session: Session) -> None:
        self._access = Access(session.connection)
        self._changes = Changes(session)
        self._queries = session.queries

    async def came_from(self, member: str) -> Offboarding:
        """Return what counts now and came from a member or names them, as far as m8 knows. It reads a year of the log.

        For administrators and auditors.

        Args:
            member: `kind:issuer:name`, or the plain subject of a token with rights of its own.
        """
        now = dt.datetime.now(dt.UTC)
        valid = [
            one
            async for one in self._access.tokens()
            if not one.revoked and (one.expires_at is None or one.expires_at > now)
        ]
        bindings = await self._access.role_bindings()
        named = [one for one in bindings if member in one.members and one.made_by != member]
        live = [one async for one in self._live_changes(now)]
        return Offboarding(
            member=member,
            named_tokens=tuple(one for one in valid if member in {one.subject, one.member}),
            made_tokens=tuple(one for one in valid if one.made_by == member and one.subject != member),
            made_role_bindings=tuple(one for one in bindings if one.made_by == member),
            named_role_bindings=tuple(one for one in named if len(one.members) == 1),
            shared_role_bindings=tuple(one for one in named if len(one.members) > 1),
            open_changes=tuple(one for one in live if one.subject == member and one.state == "OPEN"),
            approvals=tuple(
                StandingApproval(one, approval.key)
                for one in live
                for approval in one.approvals
                if approval.subject == member
            ),
            keys=await self._keys_of(member, now),
        )

    async def _live_changes(self, now: dt.datetime) -> AsyncGenerator[ProposedChange]:
        """Yield the changes that were not done, and that a store would still take. m8's word ends none of them."""
        async for one in self._changes.list(page_size=MAX_PAGE_SIZE):
            if one.state != "DONE" and not one.done and (one.not_after is None or one.not_after >= now):
                yield one

    async def _keys_of(self, member: str, now: dt.datetime) -> tuple[UsedKey, ...]:
        """Return the keys that signed requests which the member began, as the details of their events say."""
        since = EventFilter(since_ms=int((now - _KEYS_OF).timestamp() * 1000))
        theirs, found = set[str](), dict[tuple[str, str], UsedKey]()
        async for event in self._queries.events(wanted=since, page_size=MAX_PAGE_SIZE):
            if event.type == _BEGUN and event.actor == member:
                theirs.add(event.stream)
            elif event.stream in theirs and (signed := _SIGNED.search(event.detail)) is not None:
                principal, key = signed.groups()
                known = found.get((key, principal))
                stores = {event.uri.partition("://")[0], *(() if known is None else known.stores)}
                found[key, principal] = UsedKey(key, principal, tuple(sorted(stores)), moment(event.recorded_at_ms))
        return tuple(found[one] for one in sorted(found))

    async def offboard(self, found: Offboarding, *, keep: Collection[str] = ()) -> None:
        """End the tokens of `found`, then its role bindings; all else stays. For administrators.

        Last the member's display name and address are deleted.

        If it breaks off, begin again with `came_from`: what has ended is not listed again.

        Args:
            found: What `came_from` returned.
            keep: Ids of tokens and names of role bindings that stay.

        Raises:
            UsageError: it is the caller, or the caller would lose the token or the role; nothing was ended.
            ConflictError: a role binding was changed since; it stays, and those after it.
            RefusedError: the caller is no administrator.
        """
        who = await self._access.who_am_i()
        if found.member in {who.subject, who.member}:
            raise UsageError("you cannot offboard yourself.", fix="Ask another administrator.")
        tokens = [one.token_id for one in found.tokens if one.token_id not in keep]
        bindings = {one.name: one.version for one in found.role_bindings if one.name not in keep}
        if who.token_id in tokens:
            raise UsageError(
                f"{found.member} made the token that you use; nothing was ended.",
                fix=f"Use another one, or keep it (`keep` {who.token_id}).",
            )
        await self._check_stays(who, bindings)
        for token_id in tokens:
            await self._access.revoke_token(token_id)
        for name, version in bindings.items():
            await self._access.delete_role_binding(name, version=version)
        if found.member.startswith(f"{MemberKind.USER.value}:"):  # else it has neither
            await self._access.forget_person(found.member)

    async def _check_stays(self, who: WhoAmI, ending: Collection[str]) -> None:
        """Raise `UsageError` if the caller is an administrator by nothing but role bindings that end."""
        mine = {who.member, *who.groups}
        there = await self._access.role_bindings()
        roots = [one for one in there if one.role == "administrator" and mine & set(one.members)]
        if who.member and roots and all(one.name in ending for one in roots):
            raise UsageError(
                f"you are an administrator by {roots[0].name} alone, which would end; nothing was ended.",
                fix=f"Have another administrator create one in its place, or keep it (`keep` {roots[0].name}).",
            )

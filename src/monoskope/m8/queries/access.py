"""Queries about rights: who may do what and why, the role bindings, and the tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from monoskope.api.gateway.v1 import access_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import UsageError
from monoskope.m8.credentials.token_rules import principal_of
from monoskope.m8.domain.aggregates import ROLE_BINDINGS
from monoskope.m8.domain.principal import RIGHT_NAMES, Principal
from monoskope.m8.domain.role_bindings import RoleBindings
from monoskope.m8.queries.pages import make_token, page_size, read_token, scope_of
from monoskope.m8.readmodels.documents import REVOCATIONS, TOKENS
from monoskope.m8.service import policy
from monoskope.m8.service.administration import view
from monoskope.m8.service.app import App, Caller
from monoskope.protocol.login import Member
from monoskope.uri import UriPrefix


class AccessQueries:
    """The part of `AccessService` that changes nothing."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def who_am_i(self, _message: access_pb2.WhoAmIRequest, caller: Caller) -> access_pb2.WhoAmIResponse:
        """Return who calls, and what the caller may do now."""
        principal = caller.principal
        return access_pb2.WhoAmIResponse(
            subject=principal.subject,
            member="" if principal.member is None else str(principal.member),
            issuer=principal.issuer,
            issuer_subject=principal.issuer_subject,
            groups=[str(group) for group in principal.groups],
            roles=sorted(principal.roles),
            rights=[
                access_pb2.PrefixRights(
                    prefix=str(pair.prefix), rights=sorted(pair.rights), role_binding=pair.role_binding
                )
                for pair in principal.pairs
            ],
            token_id=principal.token_id,
            expires_at_ms=principal.expires_at_ms,
        )

    async def list_role_bindings(
        self, _message: access_pb2.ListRoleBindingsRequest, _caller: Caller
    ) -> access_pb2.ListRoleBindingsResponse:
        """Return every role binding, by name. Administrators and auditors only."""
        known = (await self._app.aggregates.get(ROLE_BINDINGS)).bindings
        return access_pb2.ListRoleBindingsResponse(role_bindings=[view(known[name]) for name in sorted(known)])

    async def list_tokens(
        self, message: access_pb2.ListTokensRequest, _caller: Caller
    ) -> access_pb2.ListTokensResponse:
        """Return a page of the tokens that were ever made, by id. Administrators and auditors only.

        Raises:
            UsageError: a bad page token.
        """
        log, scope, size = self._app.log, scope_of(message), page_size(message.page_size)
        found = await log.scan(TOKENS, after=read_token(scope, message.page_token), limit=size + 1)
        return access_pb2.ListTokensResponse(
            tokens=[
                _token(events_pb2.TokenIssued.FromString(body), revoked=await log.get(REVOCATIONS, key) is not None)
                for key, body in found[:size]
            ],
            next_page_token=make_token(scope, found[size - 1][0]) if len(found) > size else "",
        )

    async def can_i(self, message: access_pb2.CanIRequest, caller: Caller) -> access_pb2.CanIResponse:
        """Return whether the caller, or another member, has a right, and which role bindings give it.

        Of another member only what bindings give to that member by name: m8 does not know the groups of one who does
        not call.

        Raises:
            UsageError: the right, the URI or the member is not well formed.
            RefusedError: the caller asks about another member, and is neither administrator nor auditor.
        """
        right, place = _right(message.right), UriPrefix.parse(message.uri)
        principal = caller.principal
        if message.member and message.member != str(principal.member):
            policy.require_sees_all(principal)
            principal = (await self._app.aggregates.get(ROLE_BINDINGS)).bound(_named(Member.parse(message.member)))
        allowing = [pair for pair in principal.pairs if pair.allows(right, place)]
        return access_pb2.CanIResponse(
            allowed=bool(allowing), role_bindings=sorted({pair.role_binding for pair in allowing} - {""})
        )

    async def who_can(self, message: access_pb2.WhoCanRequest, _caller: Caller) -> access_pb2.WhoCanResponse:
        """Return every member with a right, by each role binding that gives it, and every valid token with it.

        Administrators and auditors only.

        Raises:
            UsageError: the right or the URI is not well formed.
        """
        right, place = _right(message.right), UriPrefix.parse(message.uri)
        found = list(_by_bindings(await self._app.aggregates.get(ROLE_BINDINGS), right, place))
        found += [one async for one in self._by_tokens(right, place)]
        found.sort(key=lambda one: (one.member, one.role_binding, one.token_id))
        return access_pb2.WhoCanResponse(members=found)

    async def _by_tokens(self, right: events_pb2.Right, place: UriPrefix) -> AsyncIterator[access_pb2.AllowedMember]:
        """Yield the valid tokens that have the right by themselves."""
        log, now = self._app.log, self._app.clock()
        async for token_id, body in log.scan_all(TOKENS):
            issued = events_pb2.TokenIssued.FromString(body)
            if issued.member or issued.expires_at_ms <= now:
                continue
            if any(pair.allows(right, place) for pair in principal_of(issued).pairs) and not await log.get(
                REVOCATIONS, token_id
            ):
                yield access_pb2.AllowedMember(member=issued.subject, token_id=token_id)


def _by_bindings(
    bindings: RoleBindings, right: events_pb2.Right, place: UriPrefix
) -> Iterator[access_pb2.AllowedMember]:
    for name, binding in bindings.bindings.items():
        if any(pair.allows(right, place) for pair in binding.pairs):
            for member in map(str, binding.members):
                # A member gets nothing from a binding that the same member wrote last.
                if member != binding.made_by:
                    yield access_pb2.AllowedMember(member=member, role_binding=name)


def _named(member: Member) -> Principal:
    return Principal("", str(member), frozenset(), (), 0, member=member)


def _right(right: events_pb2.Right) -> events_pb2.Right:
    if right not in RIGHT_NAMES:
        raise UsageError("right: is none that this m8 knows.", fix=f"Name one of {', '.join(RIGHT_NAMES.values())}.")
    return right


def _token(issued: events_pb2.TokenIssued, *, revoked: bool) -> access_pb2.Token:
    return access_pb2.Token(
        token_id=issued.id,
        subject=issued.subject,
        member=issued.member,
        role=events_pb2.ROLE_UNSPECIFIED if issued.member else issued.role,
        prefixes=issued.prefixes,
        rights=issued.rights,
        expires_at_ms=issued.expires_at_ms,
        revoked=revoked,
        made_by=issued.made_by,
    )

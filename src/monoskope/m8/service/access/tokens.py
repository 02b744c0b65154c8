"""The commands about tokens that name members."""

from __future__ import annotations

from monoskope.api.gateway.v1 import access_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import NotFoundError, RefusedError
from monoskope.m8.domain.principal import Principal
from monoskope.m8.readmodels.tokens import TOKENS
from monoskope.m8.service.app import App, Caller
from monoskope.protocol.login import LOCAL, Member


class TokenCommands:
    """The part of `AccessService` about tokens."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def create_token(
        self, message: access_pb2.CreateTokenRequest, caller: Caller
    ) -> access_pb2.CreateTokenResponse:
        """Make a token that names a member and has no rights of its own. Administrators only.

        Raises:
            UsageError: the member is not well formed, or a group.
            RefusedError: the caller is that member, or the member is not one of `local`.
        """
        member = Member.parse(message.member)
        if member == caller.principal.member:
            raise RefusedError(
                "nobody makes a token for themselves: it could outlive the one that they logged in with.",
                fix="Log in again when yours expires, or ask another administrator.",
            )
        if member.issuer != LOCAL:
            # Also a short name that is no issuer's yet: the token would count when it has become one.
            raise RefusedError(
                f"{member} is not a member of {LOCAL}: who vouches for such a name is an issuer, and no administrator.",
                fix=f"Let the member log in, or name one of {LOCAL}, as in machine:{LOCAL}:backup.",
            )
        issued = await self._app.issuing().issue_for_member(member, ttl_s=message.ttl_s, actor=caller.principal.subject)
        return access_pb2.CreateTokenResponse(token=issued.jwt, token_id=issued.id, expires_at_ms=issued.expires_at_ms)

    async def revoke_token(
        self, message: access_pb2.RevokeTokenRequest, caller: Caller
    ) -> access_pb2.RevokeTokenResponse:
        """Make a token invalid, at once and everywhere. Administrators may revoke all, members their own.

        With a token that has rights of its own, a user revokes that token alone: the token of a copy has the user's
        subject, and is in the hands of a reactor.

        Raises:
            NotFoundError: there is no such token, or it is not the caller's.
        """
        principal = caller.principal
        body = await self._app.log.get(TOKENS, message.token_id)
        if body is None or not _may_revoke(principal, events_pb2.TokenIssued.FromString(body)):
            raise NotFoundError(
                f"there is no token {message.token_id}, or it is not yours.", fix="Look at: monoctl get tokens."
            )
        await self._app.issuing().revoke(message.token_id, actor=principal.subject)
        return access_pb2.RevokeTokenResponse()


def _may_revoke(principal: Principal, issued: events_pb2.TokenIssued) -> bool:
    if principal.is_administrator or principal.token_id == issued.id:
        return True
    return principal.member is not None and issued.member == str(principal.member)

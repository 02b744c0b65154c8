"""The exchange of a token of another issuer for one of m8 (RFC 8693), the only use of such a token."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence

from google.protobuf.message import Message

from monoskope import operating_log
from monoskope.api.gateway.v1 import access_pb2
from monoskope.errors import ConflictError, UnavailableError
from monoskope.m8.credentials.token_rules import MAX_GROUPS
from monoskope.m8.credentials.tokens import Issued
from monoskope.m8.domain.aggregates import ROLE_BINDINGS, registration_in
from monoskope.m8.domain.events import M8, issuer_stream
from monoskope.m8.domain.principal import (
    ExchangeRefusedError,
    Registration,
    member_stream,
    register_issuer,
    register_member,
)
from monoskope.m8.issuers.verifying import Verified
from monoskope.m8.limits.connections import origin
from monoskope.m8.limits.subjects import bytes_with
from monoskope.m8.readmodels.documents import TOKENS
from monoskope.m8.service.app import App, Stranger
from monoskope.m8.service.call_notes import about
from monoskope.protocol.login import ExchangeRefusal, Member

TTL_S = 900
"""Seconds until m8's token expires, at most."""

WAIT_S = 10.0
"""Seconds for one exchange, of which an issuer's answers may take most."""

ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105 - a name of RFC 8693
JWT = "urn:ietf:params:oauth:token-type:jwt"

_NOT_OURS = frozenset({ExchangeRefusal.NO_ISSUERS, ExchangeRefusal.ISSUER_UNAVAILABLE})
"""Refusals that are not the caller's fault."""


class TokenExchange:
    """The part of `AccessService` that needs no token of m8."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def exchange_token(
        self, message: access_pb2.ExchangeTokenRequest, stranger: Stranger
    ) -> access_pb2.ExchangeTokenResponse:
        """Return m8's own token for the member that a token of a configured issuer names.

        Raises:
            ExchangeRefusedError: the token is not exchanged; says why.
            RateLimitedError: too many tokens of this address were refused, too many of this member were exchanged, or
                the member may have no more recorded today.
            UnavailableError: it took too long.
        """
        if message.subject_token_type not in {ID_TOKEN, JWT}:
            raise ExchangeRefusedError(
                ExchangeRefusal.TOKEN_TYPE,
                "subject_token_type is neither that of an ID token nor that of a JWT.",
                fix=f"Send {ID_TOKEN} or {JWT}.",
            )
        address, exchanges = origin(stranger.peer), self._app.exchanges
        exchanges.admit(address)
        try:
            verified, issued = await self._in_time(message.subject_token, stranger, address)
        except ExchangeRefusedError as error:
            operating_log.bind_contextvars(reason=error.refusal.value)
            if error.issuer:
                operating_log.bind_contextvars(issuer=error.issuer)
            if error.refusal not in _NOT_OURS:
                exchanges.failed(address)
                self._app.connections.disturbed()
            raise
        self._app.prove(stranger.peer)
        about(for_token_id=issued.id)
        return access_pb2.ExchangeTokenResponse(
            access_token=issued.jwt, expires_at_ms=issued.expires_at_ms, member=str(verified.member)
        )

    async def _in_time(self, token: str, stranger: Stranger, address: str) -> tuple[Verified, Issued]:
        try:
            async with asyncio.timeout(min(stranger.wait_s, WAIT_S)) as deadline:
                with self._app.exchanges.under_way(address, deadline):
                    verified = await self._app.issuers.verify(token, now_s=self._app.clock() / 1000)
        except TimeoutError:
            raise UnavailableError("the exchange took too long.", fix="Try again in a few seconds.") from None
        # Not within the timeout: what is recorded must be answered.
        return verified, await self._issue(verified)

    async def _issue(self, verified: Verified) -> Issued:
        """Record whom the names stand for, and the token."""
        member, issuer = verified.member, verified.issuer
        operating_log.bind_contextvars(subject=str(member), issuer=issuer.name)
        about(for_member=str(member))
        groups = groups_named(verified.groups, (await self._app.aggregates.get(ROLE_BINDINGS)).groups)
        # The log takes each id once, whichever m8 is asked.
        token_id = verified.digest[:32] if issuer.is_once else ""
        if token_id and await self._app.log.get(TOKENS, token_id) is not None:
            # Before the member is counted: who has a used token must not be able to keep its owner out with it.
            raise _replayed()
        self._app.exchanges.admit_member(str(member))
        await self._register(
            issuer_stream(issuer.name), lambda known: register_issuer(known, issuer.name, issuer.issuer)
        )
        if verified.is_mutable:
            await self._register(member_stream(member), lambda known: register_member(known, member, verified.subject))
        await self._app.people.saw(str(member), verified.person)
        names = "".join(map(str, (member, member, issuer.issuer, verified.subject, *groups)))
        usage = await self._app.documents.usage(str(member), self._app.clock())
        with self._app.quota.used(str(member), usage, 2 * bytes_with(names.encode())):  # with its revocation
            try:
                return await self._app.issuing().issue_for_member(
                    member,
                    ttl_s=TTL_S,
                    not_after_s=verified.expires_s,
                    issuer=issuer.issuer,
                    issuer_subject=verified.subject,
                    groups=groups,
                    token_id=token_id,
                )
            except ConflictError:
                raise _replayed() from None

    async def _register(self, stream: str, decide: Callable[[Registration], Sequence[Message]]) -> None:
        await self._app.aggregates.change(registration_in(stream), decide, actor=M8, is_sent_again=True)


def groups_named(groups: Sequence[Member], named: Collection[Member]) -> tuple[Member, ...]:
    """Return those of `groups` that role bindings name.

    Raises:
        ExchangeRefusedError: TOO_MANY_GROUPS.
    """
    found = tuple(group for group in groups if group in named)
    if len(found) > MAX_GROUPS:
        raise ExchangeRefusedError(
            ExchangeRefusal.TOO_MANY_GROUPS,
            f"role bindings name more than {MAX_GROUPS} of the token's groups.",
            fix="Let the issuer send fewer groups, or name fewer of them in role bindings.",
        )
    return found


def _replayed() -> ExchangeRefusedError:
    return ExchangeRefusedError(
        ExchangeRefusal.REPLAYED, "the token was exchanged before, and tokens of its issuer are exchanged once."
    )

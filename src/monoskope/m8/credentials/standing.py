"""Whether a credential that was verified still stands: at each call, as long as a watch runs, and after a wait."""

from __future__ import annotations

from dataclasses import dataclass, replace

from google.protobuf.message import Message

from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import UnauthenticatedError
from monoskope.m8.credentials.token_rules import principal_of
from monoskope.m8.domain.aggregates import ROLE_BINDINGS, Aggregate, Aggregates, each
from monoskope.m8.domain.events import token_stream
from monoskope.m8.domain.principal import Principal
from monoskope.m8.domain.role_bindings import ROLE_BINDINGS_STREAM
from monoskope.times import instant

FIX = "Log in again with `monoctl login`, or ask an administrator of m8 for a new token (m8 token create)."
"""What helps whose token is not accepted."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What the log says of a token."""

    version: int = 0
    issued: events_pb2.TokenIssued | None = None
    principal: Principal | None = None
    is_revoked: bool = False

    def after(self, message: Message | None) -> Credential:
        """Return it after a recorded event, None for one of an unknown type."""
        known = replace(self, version=self.version + 1)
        match message:
            case events_pb2.TokenIssued():
                return replace(known, issued=message, principal=principal_of(message))
            case events_pb2.TokenRevoked():
                return replace(known, is_revoked=True)
            case _:
                return known


def credential_of(token_id: str) -> Aggregate[Credential]:
    """Return what the log says of a token."""
    return Aggregate(token_stream(token_id), Credential(), each)


async def standing(aggregates: Aggregates, principal: Principal, now_ms: int) -> Principal:
    """Return `principal`, whose token was verified before, with what role bindings give now.

    Raises:
        UnauthenticatedError: the token expired or was revoked since.
        UnavailableError: the log does not answer.
    """
    if now_ms >= principal.expires_at_ms:
        raise expired(principal.expires_at_ms)
    recorded = credential_of(principal.token_id)
    seen = await aggregates.look(recorded, ROLE_BINDINGS)
    if seen.of(recorded).is_revoked:
        raise revoked(principal.token_id)
    return seen.of(ROLE_BINDINGS).bound(principal)


def streams_of(principal: Principal) -> frozenset[str]:
    """Return the streams whose events can change what `standing` says of a caller."""
    own = token_stream(principal.token_id)
    return frozenset({own} if principal.member is None else {own, ROLE_BINDINGS_STREAM})


def expired(at_ms: int) -> UnauthenticatedError:
    """Return the answer to a token that was valid until then, milliseconds since 1970."""
    return UnauthenticatedError(f"the token expired at {instant(at_ms)}.", fix=FIX)


def revoked(token_id: str) -> UnauthenticatedError:
    """Return the answer to a token that was revoked."""
    return UnauthenticatedError(f"the token {token_id} was revoked.", fix=FIX)

"""What a token says: the checks of its signature, form and audience, and the rules for what it may say. Pure.

The algorithm is pinned to `Ed25519`, the name that RFC 9864 gives to EdDSA on that curve alone. A token's own header
has no influence on it: not with `none`, not with an HMAC keyed with our public key, and not with a key of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
from joserfc import jws
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import OKPKey

from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import UnauthenticatedError, UsageError
from monoskope.m8.domain.events import M8
from monoskope.m8.domain.principal import RIGHT_NAMES, ROLE_NAMES, Principal
from monoskope.protocol.login import Member, MemberKind
from monoskope.uri import UriPrefix

ALGORITHM = "Ed25519"
ISSUER = "m8"

MAX_TOKEN = 16_384
"""Characters in a token at most."""


class Claims(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The claims of a token: all of them, and no other. Times are whole seconds since 1970."""

    iss: str
    aud: str
    sub: str
    exp: int
    iat: int
    jti: str
    role: str
    prefixes: tuple[str, ...]
    rights: tuple[str, ...]
    nbf: int = 0
    member: str = ""
    """Who it is for, if role bindings say what the holder may do."""


def read(token: str, key: OKPKey, *, audience: str, fix: str) -> Claims:
    """Verify `token` and read it. Its times are checked at each call (`Tokens`).

    Raises:
        UnauthenticatedError: says which check failed, ends with `fix`, and never repeats the token.
    """
    claims = _claims(_verify(token, key, fix), fix)
    if claims.iss != ISSUER:
        raise UnauthenticatedError(f"the token was not issued by {ISSUER}.", fix=fix)
    if claims.aud != audience:
        raise UnauthenticatedError(f"the token is for another audience than this server, {audience!r}.", fix=fix)
    return claims


def _verify(token: str, key: OKPKey, fix: str) -> bytes:
    if len(token) > MAX_TOKEN or not token.isascii():
        raise UnauthenticatedError("the credential is not a token of m8.", fix=fix)
    try:
        payload = jws.deserialize_compact(token, key, algorithms=[ALGORITHM]).payload
    except BadSignatureError:
        raise UnauthenticatedError("the token is not one of this server's: its signature is wrong.", fix=fix) from None
    except (JoseError, ValueError, TypeError):
        raise UnauthenticatedError("the credential is not a token of m8.", fix=fix) from None
    return payload


def _claims(payload: bytes, fix: str) -> Claims:
    try:
        return msgspec.json.decode(payload, type=Claims)
    except (msgspec.DecodeError, UnicodeDecodeError):  # possible only with the signing key
        raise UnauthenticatedError("the token is signed, but its claims are not those of m8.", fix=fix) from None


MAX_TTL_S = 366 * 86_400
"""A token lives for a year at most."""

MAX_GROUPS = 32
"""Groups of a member that a token names at most."""

_SUBJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}", re.ASCII)


def principal_of(issued: events_pb2.TokenIssued) -> Principal:
    """Return the holder of a token as the log recorded it; of a member without what role bindings give."""
    if not issued.member:
        prefixes = [UriPrefix.parse(prefix) for prefix in issued.prefixes]
        return Principal.of_token(
            issued.id,
            issued.subject,
            issued.role,
            prefixes=prefixes,
            rights=issued.rights,
            expires_at_ms=issued.expires_at_ms,
        )
    return Principal(
        token_id=issued.id,
        subject=issued.subject,
        roles=frozenset(),
        pairs=(),
        expires_at_ms=issued.expires_at_ms,
        member=Member.parse(issued.member),
        groups=tuple(Member.parse(group) for group in issued.groups),
        issuer=issued.issuer,
        issuer_subject=issued.issuer_subject,
    )


def agree(claims: Claims, issued: events_pb2.TokenIssued) -> bool:
    """Return whether a signed token has the claims that were recorded when it was issued."""
    return (
        claims.sub == issued.subject
        and claims.member == issued.member
        and claims.exp * 1000 == issued.expires_at_ms
        and claims.role == ROLE_NAMES.get(issued.role)
        and claims.prefixes == tuple(issued.prefixes)
        and claims.rights == tuple(RIGHT_NAMES.get(right) for right in issued.rights)
    )


def check_subject(subject: str) -> str:
    """Return the subject of a token with rights of its own. Raises `UsageError` if it breaks its rule."""
    if _SUBJECT.fullmatch(subject) is None or subject == M8:
        raise UsageError(
            f"subject {subject!r} is not valid.",
            fix=f"Use 1 to 128 of A-Z a-z 0-9 . _ @ + -, a letter or digit first, and not {M8!r} itself.",
        )
    return subject


def check_ttl(ttl_s: int) -> int:
    """Return how long a token lives. Raises `UsageError` if that is not allowed."""
    if not 1 <= ttl_s <= MAX_TTL_S:
        raise UsageError("a token lives from one second to 366 days.", fix="Choose a shorter --ttl, for example 30d.")
    return ttl_s


def check_role(event: events_pb2.TokenIssued) -> None:
    """Raise `UsageError` if a token with rights of its own cannot have this role, prefixes and rights."""
    if event.role == events_pb2.ROLE_AUDITOR:
        raise UsageError(
            "no token is an auditor's by itself: only role bindings give that role.",
            fix="Create a role binding for a member, and a token for that member.",
        )
    if event.role not in ROLE_NAMES or any(right not in RIGHT_NAMES for right in event.rights):
        raise UsageError("a token has the role administrator, user or metrics, and known rights.", fix="Choose one.")
    if event.role != events_pb2.ROLE_USER and (event.prefixes or event.rights):
        raise UsageError(
            f"a token with the role {ROLE_NAMES[event.role]} takes no prefixes and rights: those are a user's.",
            fix="Leave them out, or create a token with the role user.",
        )
    if event.role == events_pb2.ROLE_USER and not (event.prefixes and event.rights):
        raise UsageError(
            "a user's token needs at least one prefix and one right; without them it could do nothing.",
            fix="Add for example --prefix vault://team-a --right put --right compare.",
        )


def check_member(member: Member, groups: Sequence[Member]) -> list[str]:
    """Return a member's groups as a token names them. Raises `UsageError` if no token can name the member or them."""
    if member.kind is MemberKind.GROUP:
        raise UsageError(f"{member} is a group, and no group holds a token.", fix="Name a user or a machine.")
    if any(group.kind is not MemberKind.GROUP for group in groups) or len(set(groups)) > MAX_GROUPS:
        raise UsageError(
            f"a token names at most {MAX_GROUPS} groups.", fix="Leave out the ones that count for nothing."
        )
    return sorted({str(group) for group in groups})

"""Credentials: signed JWTs that are valid only while the log says so.

A token is accepted on two conditions: this server signed it, and the log has its `TokenIssued`, with the same claims,
and no `TokenRevoked`. So a stolen signing key alone makes no valid token, and every process refuses a revoked token at
its next call. What role bindings give to its holder is read from the log together with that.
Why: docs/adr/0010-tokens.md.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.jwk import OKPKey

from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import ConflictError, NotFoundError, UnauthenticatedError, UsageError
from monoskope.m8.credentials.standing import FIX, Credential, credential_of, expired, revoked
from monoskope.m8.credentials.token_rules import (
    ALGORITHM,
    ISSUER,
    Claims,
    agree,
    check_member,
    check_role,
    check_subject,
    check_ttl,
    read,
)
from monoskope.m8.domain.aggregates import ROLE_BINDINGS, Aggregates
from monoskope.m8.domain.events import M8, token_stream, write
from monoskope.m8.domain.principal import RIGHT_NAMES, ROLE_NAMES, Principal
from monoskope.m8.log.event_log import EventLog, ExpectedVersionError
from monoskope.m8.readmodels import documents
from monoskope.protocol.login import Member
from monoskope.settings import read_private
from monoskope.times import instant
from monoskope.uri import SecretUri, UriPrefix
from monoskope.value import Unshared

LEEWAY_S = 60
"""How far in the future a token may have been issued, for servers whose clocks differ."""

COPY_TTL_S = 300
"""How long the token of a copy is valid."""

MAX_VERIFIED = 4_096
"""How many tokens are remembered by their SHA-256, so that their signature is not verified again."""

_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Issued(Unshared):
    """A new token: the JWT, which cannot be read again later, its id, and when it expires, milliseconds since 1970."""

    jwt: str
    id: str
    expires_at_ms: int

    def __repr__(self) -> str:
        return f"<Issued {self.id}>"


def read_signing_key(path: Path) -> Ed25519PrivateKey:
    """Read the 32-byte seed in `path`.

    Raises:
        UsageError: the file is missing, or is no such seed.
        RefusedError: others than its owner can reach it.
    """
    seed = read_private(path)
    if len(seed) != 32:
        raise UsageError(f"{path} is not a token key: it has {len(seed)} bytes, not 32.", fix="Restore it.")
    return Ed25519PrivateKey.from_private_bytes(seed)


class Tokens(Unshared):
    """Issues, revokes and checks the credentials of one server.

    Args:
        log: Where they are recorded; its projector must include `readmodels.documents.project`.
        signing_key: Signs them.
        audience: The server's `audience` setting.
        clock: Milliseconds since 1970.
        actor: Whom the log names as the one who issues and revokes; m8 itself by default.
    """

    def __init__(
        self,
        log: EventLog,
        *,
        signing_key: Ed25519PrivateKey,
        audience: str,
        clock: Callable[[], int],
        actor: str = M8,
    ) -> None:
        pem = signing_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self._log = log
        self.aggregates = Aggregates(log)
        """What is remembered of the log."""
        self._key = OKPKey.import_key(pem)
        self.key_fingerprint = f"SHA256:{hashlib.sha256(signing_key.public_key().public_bytes_raw()).hexdigest()}"
        """SHA-256 of the public key that verifies them."""
        self._audience = audience
        self._clock = clock
        self._actor = actor
        self._verified: OrderedDict[bytes, Claims] = OrderedDict()

    async def issue(
        self,
        *,
        subject: str,
        role: events_pb2.Role,
        prefixes: Iterable[str] = (),
        rights: Iterable[events_pb2.Right] = (),
        ttl_s: int,
    ) -> Issued:
        """Record a token with rights of its own and return it.

        Args:
            subject: Who it is for: 1 to 128 of A-Z a-z 0-9 . _ @ + -, not "m8", which is a part of m8.
            role: ROLE_ADMINISTRATOR, which takes no prefixes and rights, or ROLE_USER, which needs both.
            prefixes: URI prefixes such as `vault://team-a`.
            rights: What the user may do below them.
            ttl_s: Seconds until it expires, up to `token_rules.MAX_TTL_S`.

        Raises:
            UsageError: one of these rules is broken; nothing was recorded.
        """
        event = events_pb2.TokenIssued(
            id=secrets.token_hex(16),
            subject=check_subject(subject),
            role=role,
            prefixes=sorted({str(UriPrefix.parse(prefix)) for prefix in prefixes}),
            rights=sorted(set(rights)),
        )
        check_role(event)
        return await self._issue(event, ttl_s, self._actor)

    async def issue_for_member(
        self,
        member: Member,
        *,
        ttl_s: int,
        issuer: str = "",
        issuer_subject: str = "",
        groups: Sequence[Member] = (),
        actor: str = "",
        token_id: str = "",
        not_after_s: int | None = None,
    ) -> Issued:
        """Record a token that names a member and has no rights of its own, and return it.

        What it may do, role bindings say at each call.

        Args:
            member: Who it is for, a user or a machine.
            ttl_s: Seconds until it expires, up to `token_rules.MAX_TTL_S`.
            issuer: The `iss` of the token that was exchanged for it, "" if none was.
            issuer_subject: The `sub` of that token.
            groups: The member's groups that a role binding names, at most `token_rules.MAX_GROUPS`.
            actor: Whom the log names as the one who issued it; "" for the actor of this object.
            token_id: Its id, 32 hex digits; "" for a new one.
            not_after_s: When it expires at the latest, seconds since 1970; None for no such time.

        Raises:
            UsageError: one of these rules is broken; nothing was recorded.
            ConflictError: a token of that id was issued before.
        """
        event = events_pb2.TokenIssued(
            id=token_id or secrets.token_hex(16),
            subject=str(member),
            role=events_pb2.ROLE_USER,
            member=str(member),
            issuer=issuer,
            issuer_subject=issuer_subject,
            groups=check_member(member, groups),
        )
        return await self._issue(event, ttl_s, actor or self._actor, not_after_s=not_after_s)

    async def issue_for_copy(self, token_id: str, subject: str, destination: SecretUri) -> str:
        """Return a token of `subject` that may put at `destination`, for `COPY_TTL_S`.

        Raises:
            ConflictError: a token of that id was issued before.
        """
        event = events_pb2.TokenIssued(
            id=token_id,
            subject=subject,
            role=events_pb2.ROLE_USER,
            prefixes=[str(destination)],
            rights=[events_pb2.RIGHT_PUT],
        )
        return (await self._issue(event, COPY_TTL_S, self._actor)).jwt

    async def _issue(
        self, event: events_pb2.TokenIssued, ttl_s: int, actor: str, *, not_after_s: int | None = None
    ) -> Issued:
        now_s = self._clock() // 1000
        expires_s = now_s + check_ttl(ttl_s)
        event.expires_at_ms = (expires_s if not_after_s is None else min(expires_s, not_after_s)) * 1000
        event.made_by = actor
        token = self._sign(event, now_s)
        try:
            await self._log.append(token_stream(event.id), 0, [write(event)], actor=actor)
        except ExpectedVersionError:
            raise ConflictError("that token was issued before.", fix="Begin again.") from None
        return Issued(token, event.id, event.expires_at_ms)

    def _sign(self, event: events_pb2.TokenIssued, now_s: int) -> str:
        claims = {
            "iss": ISSUER,
            "aud": self._audience,
            "sub": event.subject,
            "exp": event.expires_at_ms // 1000,
            "iat": now_s,
            "jti": event.id,
            "role": ROLE_NAMES[event.role],
            "prefixes": list(event.prefixes),
            "rights": [RIGHT_NAMES[right] for right in event.rights],
        }
        if event.member:
            claims["member"] = event.member
        return jwt.encode({"alg": ALGORITHM}, claims, self._key, algorithms=[ALGORITHM])

    async def revoke(self, token_id: str, *, actor: str = "") -> None:
        """Make the token invalid, at once and in every process. Revoking it again changes nothing.

        Args:
            token_id: Its id.
            actor: Whom the log names as the one who revoked it; "" for the actor of this object.

        Raises:
            NotFoundError: the log knows no such token.
        """
        if _ID.fullmatch(token_id) is None or await self._log.get(documents.TOKENS, token_id) is None:
            raise NotFoundError(f"there is no token {token_id!r}.", fix="List them: m8 token list")
        event = events_pb2.TokenRevoked(id=token_id)
        with contextlib.suppress(ExpectedVersionError):  # a token's second event is its revocation
            await self._log.append(token_stream(token_id), 1, [write(event)], actor=actor or self._actor)

    async def list(self) -> AsyncIterator[tuple[events_pb2.TokenIssued, bool]]:
        """Yield every token ever issued, in the order of their ids, each with whether it was revoked."""
        async for token_id, body in self._log.scan_all(documents.TOKENS):
            revocation = await self._log.get(documents.REVOCATIONS, token_id)
            yield events_pb2.TokenIssued.FromString(body), revocation is not None

    async def authenticate(self, token: str) -> Principal:
        """Return whom `token` stands for, with what role bindings give now.

        A token that was verified before is recognised by its SHA-256. Its times, its revocation and the role bindings
        are looked at in every call.

        Raises:
            UnauthenticatedError: it is not one of this server's, expired, revoked, or for another audience; says which.
            UnavailableError: the log does not answer.
        """
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        claims = self._verified.get(digest) or read(token, self._key, audience=self._audience, fix=FIX)
        _check_times(claims, self._clock() / 1000)
        recorded = credential_of(claims.jti)
        seen = await self.aggregates.look(recorded, ROLE_BINDINGS)
        principal = _vouched_for(seen.of(recorded), claims)
        self._remember(digest, claims)
        return seen.of(ROLE_BINDINGS).bound(principal)

    def _remember(self, digest: bytes, claims: Claims) -> None:
        self._verified[digest] = claims
        self._verified.move_to_end(digest)
        if len(self._verified) > MAX_VERIFIED:
            self._verified.popitem(last=False)


def _vouched_for(recorded: Credential, claims: Claims) -> Principal:
    """Return the principal that the log has for these claims."""
    if recorded.issued is None or recorded.principal is None:
        raise UnauthenticatedError("the token is signed, but this server's log does not know it.", fix=FIX)
    if not agree(claims, recorded.issued):
        raise UnauthenticatedError("the token differs from what this server's log has of it.", fix=FIX)
    if recorded.is_revoked:
        raise revoked(claims.jti)
    return recorded.principal


def _check_times(claims: Claims, now_s: float) -> None:
    if now_s >= claims.exp:
        raise expired(claims.exp * 1000)
    begins = max(claims.iat, claims.nbf)
    if begins > now_s + LEEWAY_S:
        fix = "Wait until then, or correct this server's clock."
        raise UnauthenticatedError(f"the token is valid only from {instant(begins * 1000)}.", fix=fix)

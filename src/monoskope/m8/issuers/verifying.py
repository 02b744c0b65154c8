"""From the text of a token to the member whom it stands for: the checks in their order, numbered.

What is checked for every issuer are audience, client, times and subject. A claim that is checked must be there, in its
own type: nothing is taken for something else.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from monoskope.m8.domain.principal import ExchangeRefusedError
from monoskope.m8.issuers import jose, rules
from monoskope.m8.issuers.keys import IssuerKeys
from monoskope.m8.issuers.person import Person, person_of
from monoskope.m8.issuers.settings import Issuer
from monoskope.protocol.login import ExchangeRefusal, Member
from monoskope.times import instant

LEEWAY_S = 30
"""How far in the future a token may begin, for clocks that differ."""

DAY_S = 86_400
"""How long ago a token may have been issued, and how far ahead it may expire: who finds one that lies about uses it
late."""

MAX_SUBJECT = 255
"""Characters of a `sub` at most (OpenID Connect Core, 2)."""

_SHORT = "Have the issuer issue tokens for an hour or less, and send one that is new."
_CLOCKS = "Compare the clocks of the issuer and of m8; if they agree, get a new token from the issuer."


def check_audience(claims: Mapping[str, Any], audience: str, clients: Collection[str]) -> None:
    """Return if a token is for `audience`, and was issued to it or to one of the `clients`, if it says so.

    Raises:
        ExchangeRefusedError: AUDIENCE, SEVERAL_AUDIENCES or AUTHORIZED_PARTY.
    """
    said = claims.get("aud")
    audiences = said if isinstance(said, list) else [said]
    if audience not in audiences or not all(isinstance(one, str) for one in audiences):
        raise ExchangeRefusedError(
            ExchangeRefusal.AUDIENCE,
            "the token is for another audience (`aud`) than the one that m8's settings name for its issuer.",
            fix="Ask the issuer for a token with that audience; `audience` of [[issuers]] names it. Of people it is the"
            " client id with which they log in, `login_client_id`.",
        )
    if len(audiences) > 1 and "azp" not in claims:
        raise ExchangeRefusedError(
            ExchangeRefusal.SEVERAL_AUDIENCES,
            "the token is for several audiences, and does not say to which client it was issued (`azp`).",
            fix="Ask the issuer for a token with one audience.",
        )
    if "azp" in claims and claims["azp"] not in (audience, *clients):
        raise ExchangeRefusedError(
            ExchangeRefusal.AUTHORIZED_PARTY,
            "the token was issued to a client (`azp`) that m8's settings do not name for its issuer.",
            fix="Log in as the client that is meant for m8; `client_ids` of [[issuers]] names those.",
        )


def check_kind(claims: Mapping[str, Any]) -> None:
    """Return unless a token says that it is no ID token.

    Keycloak's access tokens say so with the claim `typ`. Logout tokens (OpenID Connect Back-Channel Logout, 2.4) and
    other security events (RFC 8417) have the issuer, the audience and the times of an ID token, their type in the
    header is optional, and `events` alone tells them apart.

    Raises:
        ExchangeRefusedError: TYPE.
    """
    if claims.get("typ", "ID") != "ID":
        raise ExchangeRefusedError(ExchangeRefusal.TYPE, "the token says that it is no ID token (claim `typ`).")
    if "events" in claims:
        raise ExchangeRefusedError(
            ExchangeRefusal.TYPE, "the token tells of an event, as of a logout (claim `events`)."
        )


def check_times(claims: Mapping[str, Any], now_s: float) -> int:
    """Return when a token that is valid now expires, whole seconds since 1970.

    Raises:
        ExchangeRefusedError: TIMES, NOT_YET_VALID, EXPIRED, TOO_OLD or TOO_LONG.
    """
    expires, begins = _time(claims, "exp"), _time(claims, "iat")
    issued = begins
    if "nbf" in claims:
        begins = max(begins, _time(claims, "nbf"))
    if begins > now_s + LEEWAY_S:
        raise ExchangeRefusedError(
            ExchangeRefusal.NOT_YET_VALID,
            f"the token is valid only later than m8's clock, which shows {instant(int(now_s) * 1000)}.",
            fix=_CLOCKS,
        )
    # Without leeway: what comes out is not valid longer than what went in.
    if math.floor(expires) <= now_s:
        raise ExchangeRefusedError(
            ExchangeRefusal.EXPIRED,
            f"the token has expired, by m8's clock, which shows {instant(int(now_s) * 1000)}.",
            fix=_CLOCKS,
        )
    if issued < now_s - DAY_S:
        raise ExchangeRefusedError(
            ExchangeRefusal.TOO_OLD, "the token was issued more than a day ago (`iat`).", fix=_SHORT
        )
    if expires > now_s + DAY_S:
        raise ExchangeRefusedError(
            ExchangeRefusal.TOO_LONG, "the token expires more than a day from now (`exp`).", fix=_SHORT
        )
    return math.floor(expires)


def _time(claims: Mapping[str, Any], name: str) -> float:
    found = claims.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < 2**53:
        raise ExchangeRefusedError(
            ExchangeRefusal.TIMES, f"the token's `{name}` is missing, or is no time (seconds since 1970)."
        )
    return found


def subject_of(claims: Mapping[str, Any]) -> str:
    """Return the `sub` of a token.

    Raises:
        ExchangeRefusedError: SUBJECT.
    """
    found = claims.get("sub")
    if not isinstance(found, str) or not 1 <= len(found) <= MAX_SUBJECT or not found.isprintable():
        raise ExchangeRefusedError(
            ExchangeRefusal.SUBJECT, f"the token has no `sub` of 1 to {MAX_SUBJECT} printable characters."
        )
    return found


_ONCE = b"m8/exchange/v1\0"


@dataclass(frozen=True, slots=True)
class Verified:
    """What a valid token says.

    Attributes:
        issuer: Its issuer.
        subject: Its `sub`.
        member: Whom it stands for.
        groups: The member's groups, whether or not a role binding names them.
        is_mutable: Whether the member's name can change hands at the issuer.
        expires_s: When it expires, seconds since 1970.
        digest: SHA-256 over a label and the bytes that the issuer signed, 64 hex digits. Two texts of one token have
            the same.
        person: What the issuer says of a person besides the id, if the settings want it.
    """

    issuer: Issuer
    subject: str
    member: Member
    groups: tuple[Member, ...]
    is_mutable: bool
    expires_s: int
    digest: str
    person: Person = field(default_factory=Person)

    def __repr__(self) -> str:
        return f"<Verified {self.member}>"


class Issuers:
    """The issuers of one m8.

    Args:
        entries: Each with its keys.
    """

    def __init__(self, entries: Sequence[tuple[Issuer, IssuerKeys]] = ()) -> None:
        self._issuers = {issuer.issuer: (issuer, keys) for issuer, keys in entries}

    async def verify(self, text: str, *, now_s: float) -> Verified:
        """Return what a token says that is valid at `now_s`.

        Raises:
            ExchangeRefusedError: it is not exchanged; says why.
        """
        if not self._issuers:
            raise ExchangeRefusedError(
                ExchangeRefusal.NO_ISSUERS,
                "no issuer is configured at this m8.",
                fix="Ask an administrator of m8 for [[issuers]] in m8.toml, or for a token.",
            )
        # 1. Its form and its header, which may choose a key, and nothing else.
        token = jose.parse(text)
        # 2. Its issuer, which must be one of the settings'.
        issuer, keys = self._of(token)
        # 3. The signature, by a key of that issuer that is for the token's algorithm.
        token.verify(await keys.find(token))
        try:
            return _read(token, issuer, now_s)
        except ExchangeRefusedError as error:
            error.issuer = issuer.name
            raise

    def _of(self, token: jose.Token) -> tuple[Issuer, IssuerKeys]:
        found = token.claims.get("iss")
        if not isinstance(found, str) or found not in self._issuers:
            raise ExchangeRefusedError(
                ExchangeRefusal.ISSUER,
                "the token's issuer (`iss`) is none that m8's settings name.",
                fix="Log in at an issuer of this m8; [[issuers]] of m8.toml names them.",
            )
        return self._issuers[found]


def _read(token: jose.Token, issuer: Issuer, now_s: float) -> Verified:
    """Return what a token says whose signature is valid."""
    # 4. For whom and to whom it was issued, and when.
    check_kind(token.claims)
    check_audience(token.claims, issuer.audience, issuer.clients)
    expires_s = check_times(token.claims, now_s)
    subject = subject_of(token.claims)
    # 5. The one rule that matches, and whom it names.
    rule = rules.matching(issuer.rules, token.claims)
    member = rule.member(issuer.name, token.claims)
    groups = rule.groups(issuer.name, token.claims)
    digest = hashlib.sha256(_ONCE + token.signed).hexdigest()
    person = person_of(token.claims, member.kind) if issuer.has_names else Person()
    return Verified(issuer, subject, member, groups, rule.is_mutable, expires_s, digest, person)

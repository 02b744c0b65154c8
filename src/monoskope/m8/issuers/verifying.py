"""From the text of a token to the member whom it stands for: the checks in their order, numbered."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from monoskope.m8.domain.registrations import ExchangeRefusedError
from monoskope.m8.issuers import claims as common
from monoskope.m8.issuers import jose, rules
from monoskope.m8.issuers.keys import IssuerKeys
from monoskope.m8.issuers.settings import Issuer
from monoskope.protocol.exchange_refusal import ExchangeRefusal
from monoskope.protocol.member import Member

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
    """

    issuer: Issuer
    subject: str
    member: Member
    groups: tuple[Member, ...]
    is_mutable: bool
    expires_s: int
    digest: str

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
    common.check_kind(token.claims)
    common.check_audience(token.claims, issuer.audience, issuer.clients)
    expires_s = common.check_times(token.claims, now_s)
    subject = common.subject_of(token.claims)
    # 5. The one rule that matches, and whom it names.
    rule = rules.matching(issuer.rules, token.claims)
    member = rule.member(issuer.name, token.claims)
    groups = rule.groups(issuer.name, token.claims)
    digest = hashlib.sha256(_ONCE + token.signed).hexdigest()
    return Verified(issuer, subject, member, groups, rule.is_mutable, expires_s, digest)

"""Why m8 refuses to exchange a token of another issuer: stable words (docs/operate/issuers.md, Refusals).

A word stands beside the error's fix in `google.rpc.ErrorInfo`, and in the answer of `POST /oauth2/token`. A
word never changes its meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

_REFUSAL = "exchange_refusal"


class ExchangeRefusal(Enum):
    """Why a token was refused. The value is the word that goes over the wire."""

    NO_ISSUERS = "NO_ISSUERS"
    """This m8 has no issuers."""
    TOKEN_TYPE = "TOKEN_TYPE"  # noqa: S105 - a word of the wire
    """`subject_token_type` is neither `id_token` nor `jwt`."""
    TOO_LARGE = "TOO_LARGE"
    """The token has more than 16,384 characters."""
    MALFORMED = "MALFORMED"
    """It is not a signed JWT in the compact form that can be read in one way alone."""
    HEADER_JKU = "HEADER_JKU"
    """Its header names an address of keys."""
    HEADER_JWK = "HEADER_JWK"
    """Its header brings a key."""
    HEADER_X5U = "HEADER_X5U"
    """Its header names an address of certificates."""
    HEADER_X5C = "HEADER_X5C"
    """Its header brings certificates."""
    HEADER_CRIT = "HEADER_CRIT"
    """Its header asks for extensions."""
    ALGORITHM_NONE = "ALGORITHM_NONE"
    """It is not signed."""
    ALGORITHM_HMAC = "ALGORITHM_HMAC"
    """It is signed with a shared secret: a public key could be taken for one."""
    ALGORITHM = "ALGORITHM"
    """Its algorithm is not one that m8 takes."""
    TYPE = "TYPE"
    """Its `typ` says that it is something else than an ID token or a workload's JWT, such as an access token."""
    KEY_ID = "KEY_ID"
    """Its header names no key."""
    KEY_UNKNOWN = "KEY_UNKNOWN"
    """The issuer has no such key now."""
    KEY_UNFIT = "KEY_UNFIT"
    """The issuer's key of that name is not for this algorithm."""
    SIGNATURE = "SIGNATURE"
    """Its signature is wrong."""
    ISSUER = "ISSUER"
    """Its issuer is none of this m8's."""
    AUDIENCE = "AUDIENCE"
    """It is for another audience."""
    SEVERAL_AUDIENCES = "SEVERAL_AUDIENCES"
    """It is for several audiences, and does not say to which client it was issued."""
    AUTHORIZED_PARTY = "AUTHORIZED_PARTY"
    """It was issued to a client that m8's settings do not name."""
    TIMES = "TIMES"
    """It does not say when it was issued or when it expires, or not in numbers."""
    EXPIRED = "EXPIRED"
    """It has expired, by m8's clock."""
    NOT_YET_VALID = "NOT_YET_VALID"
    """It is valid only later, by m8's clock: the clocks of issuer and m8 differ by more than 30 s."""
    TOO_OLD = "TOO_OLD"
    """It was issued more than a day ago, by m8's clock."""
    TOO_LONG = "TOO_LONG"
    """It expires more than a day later, by m8's clock."""
    SUBJECT = "SUBJECT"
    """It has no `sub` of 1 to 255 printable characters."""
    NO_RULE = "NO_RULE"
    """No rule of the issuer matches it."""
    SEVERAL_RULES = "SEVERAL_RULES"
    """More than one rule of the issuer matches it."""
    NAME = "NAME"
    """The claim that gives the member's name is missing, or what it says is no name of a member."""
    EMAIL_UNVERIFIED = "EMAIL_UNVERIFIED"
    """The name can change hands, and the issuer did not verify the e-mail address."""
    GROUPS = "GROUPS"
    """The claim with the groups is not an array of texts."""
    TOO_MANY_GROUPS = "TOO_MANY_GROUPS"
    """Role bindings name more than 32 of its groups."""
    ISSUER_CHANGED = "ISSUER_CHANGED"
    """The issuer's short name stood for another issuer before."""
    SUBJECT_CHANGED = "SUBJECT_CHANGED"
    """The member's name belonged to another `sub` before."""
    REPLAYED = "REPLAYED"
    """It was exchanged before, and this issuer's tokens are exchanged once."""
    ISSUER_UNAVAILABLE = "ISSUER_UNAVAILABLE"
    """The issuer's keys cannot be had."""


_KNOWN = {refusal.value: refusal for refusal in ExchangeRefusal}


def described(refusal: ExchangeRefusal) -> dict[str, str]:
    """Return the words for a refusal."""
    return {_REFUSAL: refusal.value}


def read(words: Mapping[str, str]) -> ExchangeRefusal | None:
    """Return the refusal that `words` describe, None if they describe none that is known here."""
    return _KNOWN.get(words.get(_REFUSAL, ""))

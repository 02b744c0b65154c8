"""Members: people, groups and machines as role bindings and the log name them, `kind:issuer:name` (docs/access.md).

Stable words say why m8 refuses a login: that of a reactor that proved its store's identity, or the exchange of another
issuer's token (docs/operate/issuers.md, Refusals). A word stands beside the error's fix in `google.rpc.ErrorInfo`, and
in the answer of `POST /oauth2/token`. It never changes its meaning.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum

from monoskope.api.gateway.v1 import views_pb2
from monoskope.errors import UsageError
from monoskope.lazy import pattern
from monoskope.protocol.outcomes import spelled
from monoskope.value import Value

_MEMBER = pattern(
    r"(?P<kind>user|group|machine):(?P<issuer>[a-z][a-z0-9]{0,15}):(?P<name>[A-Za-z0-9][A-Za-z0-9._@+-]{0,127})",
    re.ASCII,
)
LOCAL = "local"
"""The short name of the members for whom administrators make tokens. It is no issuer's."""

_FIX = (
    "Write kind:issuer:name, for example user:corp:anna. Kinds are user, group and machine; an issuer is 1 to 16 of a-z"
    " 0-9, a letter first; a name is 1 to 128 of A-Z a-z 0-9 . _ @ + -, a letter or digit first."
)


class MemberKind(Enum):
    """What a member is."""

    USER = "user"
    GROUP = "group"
    MACHINE = "machine"


class Member(Value, frozen=True):
    """One member. `str()` gives its one form."""

    kind: MemberKind
    issuer: str
    """The issuer's short name, as `m8.toml` gives it."""
    name: str
    """Its name there: an id that does not change hands, unless the issuer's rule is `mutable`."""

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.issuer}:{self.name}"

    @classmethod
    def parse(cls, text: str) -> Member:
        """Return the member that `text` names. Raises `UsageError`: what does not fit is refused, never rewritten."""
        match = _MEMBER.fullmatch(text)
        if match is None:
            raise UsageError(f"{text!r} is not a member.", fix=_FIX)
        return cls(MemberKind(match["kind"]), match["issuer"], match["name"])


_LOGIN_REFUSAL, _ALLOWED = "login_refusal", "fingerprint_key_ids"
_KEY_IDS = re.compile(r"[0-9a-f]{16}( [0-9a-f]{16})?", re.ASCII)
_LOGIN_REFUSALS = {
    spelled(views_pb2.LoginRefusal, refusal): refusal
    for refusal in (
        views_pb2.LOGIN_REFUSAL_FINGERPRINT_KEY,
        views_pb2.LOGIN_REFUSAL_STORE_TYPE,
        views_pb2.LOGIN_REFUSAL_TOO_MANY_REACTORS,
    )
}


@dataclass(frozen=True, slots=True)
class LoginRefusal:
    """What m8 said. It is m8's word."""

    refusal: views_pb2.LoginRefusal
    allowed: tuple[str, ...] = ()
    """The fingerprint key ids that are allowed, if m8 named them."""


def login_refusal_words(refusal: views_pb2.LoginRefusal, allowed: Collection[str]) -> dict[str, str]:
    """Return the words for a refusal."""
    said = {_LOGIN_REFUSAL: spelled(views_pb2.LoginRefusal, refusal)}
    return {**said, _ALLOWED: " ".join(allowed)} if allowed else said


def read_login_refusal(words: Mapping[str, str]) -> LoginRefusal | None:
    """Return the refusal that `words` describe, None if they describe none that is known here."""
    refusal = _LOGIN_REFUSALS.get(words.get(_LOGIN_REFUSAL, ""))
    if refusal is None:
        return None
    allowed = words.get(_ALLOWED, "")
    return LoginRefusal(refusal, tuple(allowed.split()) if _KEY_IDS.fullmatch(allowed) else ())


_EXCHANGE_REFUSAL = "exchange_refusal"


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


_EXCHANGE_REFUSALS = {refusal.value: refusal for refusal in ExchangeRefusal}


def exchange_refusal_words(refusal: ExchangeRefusal) -> dict[str, str]:
    """Return the words for a refusal."""
    return {_EXCHANGE_REFUSAL: refusal.value}


def read_exchange_refusal(words: Mapping[str, str]) -> ExchangeRefusal | None:
    """Return the refusal that `words` describe, None if they describe none that is known here."""
    return _EXCHANGE_REFUSALS.get(words.get(_EXCHANGE_REFUSAL, ""))

"""Who is calling: what a verified credential says, what role bindings add to it, and whom a name stands for.

A short name of an issuer stands for one issuer, and the name of a member who could change hands at its issuer for one
subject there. Each has a stream with one event: the first use decides for ever. A token that does not fit is not
exchanged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from google.protobuf.message import Message

from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import Code, Error, docs_page
from monoskope.protocol.login import ExchangeRefusal, Member
from monoskope.uri import SecretUri, UriPrefix

ROLE_NAMES = MappingProxyType(
    {
        events_pb2.ROLE_ADMINISTRATOR: "administrator",
        events_pb2.ROLE_USER: "user",
        events_pb2.ROLE_AUDITOR: "auditor",
        events_pb2.ROLE_METRICS: "metrics",
    }
)
"""How people and tokens name each role."""

RIGHT_NAMES = MappingProxyType(
    {
        events_pb2.RIGHT_PUT: "put",
        events_pb2.RIGHT_COMPARE: "compare",
        events_pb2.RIGHT_SEE_HASH: "see-hash",
        events_pb2.RIGHT_DELETE: "delete",
        events_pb2.RIGHT_COPY: "copy",
        events_pb2.RIGHT_UNDELETE: "undelete",
        events_pb2.RIGHT_ROLLBACK: "rollback",
        events_pb2.RIGHT_LIST: "list",
        events_pb2.RIGHT_PROPOSE: "propose",
        events_pb2.RIGHT_APPROVE: "approve",
    }
)
"""How people and tokens name each right."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A prefix and the rights below it. Rights belong to their own prefix: two pairs never combine."""

    prefix: UriPrefix
    rights: frozenset[events_pb2.Right]
    role_binding: str = ""
    """The role binding that gives them; "" for the token itself."""

    def allows(self, right: events_pb2.Right, place: UriPrefix) -> bool:
        """Whether it gives `right` on everything below `place`."""
        return right in self.rights and self.prefix.covers(place)


@dataclass(frozen=True, slots=True)
class Principal:
    """The holder of a valid, unrevoked credential.

    Attributes:
        token_id: Of the credential.
        subject: As grants and the log name the holder.
        roles: They add up. A member whom no role binding names has none.
        pairs: What the holder may do as a user.
        expires_at_ms: When the credential expires, milliseconds since 1970.
        member: Who it is, if role bindings say what the holder may do; None for a token with rights of its own.
        groups: The member's groups that count, as they were when the token was issued.
        issuer: The issuer of the token that was exchanged for this one, "" if none was.
        issuer_subject: The `sub` of that token, "" if there was none.
    """

    token_id: str
    subject: str
    roles: frozenset[events_pb2.Role]
    pairs: tuple[Pair, ...]
    expires_at_ms: int
    member: Member | None = None
    groups: tuple[Member, ...] = ()
    issuer: str = ""
    issuer_subject: str = ""

    @classmethod
    def of_token(
        cls,
        token_id: str,
        subject: str,
        role: events_pb2.Role,
        *,
        prefixes: Iterable[UriPrefix] = (),
        rights: Collection[events_pb2.Right] = (),
        expires_at_ms: int,
    ) -> Principal:
        """Return the holder of a token with rights of its own: it has all of them below each of its prefixes."""
        pairs = tuple(Pair(prefix, frozenset(rights)) for prefix in prefixes)
        return cls(token_id, subject, frozenset({role}), pairs, expires_at_ms)

    @property
    def is_administrator(self) -> bool:
        """Whether the caller manages stores, and who may do what."""
        return events_pb2.ROLE_ADMINISTRATOR in self.roles

    @property
    def sees_all(self) -> bool:
        """Whether every secret exists for the caller, and every event: for administrators and auditors."""
        return self.is_administrator or events_pb2.ROLE_AUDITOR in self.roles

    @property
    def reads_metrics(self) -> bool:
        """Whether the caller may read metrics, and so nothing else: no token that can do more lies in a scraper."""
        return self.roles == {events_pb2.ROLE_METRICS}

    @property
    def prefixes(self) -> tuple[UriPrefix, ...]:
        """The prefixes of all pairs, each once, in their order."""
        return tuple(dict.fromkeys(pair.prefix for pair in self.pairs))

    def sees(self, uri: SecretUri) -> bool:
        """Whether `uri` exists at all for the caller."""
        return self.sees_all or self.covers(uri)

    def covers(self, uri: SecretUri) -> bool:
        """Whether `uri` lies below one of the caller's prefixes."""
        return any(pair.prefix.covers(uri) for pair in self.pairs)

    def may(self, right: events_pb2.Right, uri: SecretUri) -> bool:
        """Whether the caller has `right` on `uri`."""
        return any(right in pair.rights and pair.prefix.covers(uri) for pair in self.pairs)


_CODES: Mapping[ExchangeRefusal, Code] = MappingProxyType(
    {
        ExchangeRefusal.NO_ISSUERS: Code.REFUSED,
        ExchangeRefusal.TOKEN_TYPE: Code.USAGE,
        ExchangeRefusal.NO_RULE: Code.REFUSED,
        ExchangeRefusal.SEVERAL_RULES: Code.REFUSED,
        ExchangeRefusal.NAME: Code.REFUSED,
        ExchangeRefusal.EMAIL_UNVERIFIED: Code.REFUSED,
        ExchangeRefusal.GROUPS: Code.REFUSED,
        ExchangeRefusal.TOO_MANY_GROUPS: Code.REFUSED,
        ExchangeRefusal.ISSUER_CHANGED: Code.REFUSED,
        ExchangeRefusal.SUBJECT_CHANGED: Code.REFUSED,
        ExchangeRefusal.ISSUER_UNAVAILABLE: Code.UNAVAILABLE,
    }
)
"""The code of each refusal that is about more than the token itself, whose code is UNAUTHENTICATED."""

_ANOTHER = "Get a new token from the issuer, for this m8."


class ExchangeRefusedError(Error):
    """A token is not exchanged. Neither the token nor what it claims stands in the error.

    Args:
        refusal: Why.
        message: As for every error.
        fix: As for every error.
    """

    def __init__(self, refusal: ExchangeRefusal, message: str, *, fix: str = _ANOTHER) -> None:
        super().__init__(message, fix=fix, code=_CODES.get(refusal, Code.UNAUTHENTICATED))
        self.refusal = refusal
        self.issuer = ""
        """The issuer's short name, if its signature was valid."""


def member_stream(member: Member) -> str:
    """Return the stream of a member's name: `member/<64 hex>`."""
    return f"member/{hashlib.sha256(str(member).encode()).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Registration:
    """Whom a name stands for.

    Attributes:
        version: The number of events of its stream.
        holder: The issuer's `iss`, or the member's `sub`; "" while the name was never used.
    """

    version: int = 0
    holder: str = ""

    def after(self, message: Message | None) -> Registration:
        """Return it after a recorded event, None for one of an unknown type. The first one counts."""
        holder = self.holder
        match message:
            case events_pb2.IssuerRegistered():
                holder = holder or message.issuer
            case events_pb2.MemberRegistered():
                holder = holder or message.issuer_subject
            case _:
                pass
        return Registration(self.version + 1, holder)


def register_issuer(known: Registration, name: str, issuer: str) -> list[Message]:
    """Return the events of a use of an issuer's short name.

    Raises:
        ExchangeRefusedError: ISSUER_CHANGED.
    """
    if not known.holder:
        return [events_pb2.IssuerRegistered(name=name, issuer=issuer)]
    if known.holder != issuer:
        raise ExchangeRefusedError(
            ExchangeRefusal.ISSUER_CHANGED,
            f"the short name {name} stood for another issuer before, and its members keep what they may do.",
            fix="Let an administrator of m8 give the new issuer another name in m8.toml.",
        )
    return []


def register_member(known: Registration, member: Member, subject: str) -> list[Message]:
    """Return the events of a use of a member's name that can change hands.

    Raises:
        ExchangeRefusedError: SUBJECT_CHANGED.
    """
    if not known.holder:
        return [events_pb2.MemberRegistered(member=str(member), issuer_subject=subject)]
    if known.holder != subject:
        raise ExchangeRefusedError(
            ExchangeRefusal.SUBJECT_CHANGED,
            f"the name of {member} belonged to somebody else at its issuer before.",
            fix=f"Let an administrator of m8 name you by `sub`: {docs_page('operate/issuers.md')} says how.",
        )
    return []

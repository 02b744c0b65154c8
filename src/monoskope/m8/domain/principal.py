"""Who is calling: what a verified credential says, what role bindings add to it, and nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from types import MappingProxyType

from monoskope.api.secrets.v1 import events_pb2
from monoskope.protocol.login import Member
from monoskope.uri import SecretUri, UriPrefix

ROLE_NAMES = MappingProxyType(
    {
        events_pb2.ROLE_ADMINISTRATOR: "administrator",
        events_pb2.ROLE_USER: "user",
        events_pb2.ROLE_AUDITOR: "auditor",
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
        own = self.prefix
        return right in self.rights and own.store == place.store and place.path[: len(own.path)] == own.path


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

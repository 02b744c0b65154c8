"""Who is calling: what a verified credential says, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from monoskope.api.secrets.v1 import events_pb2
from monoskope.uri import SecretUri, UriPrefix

ROLE_NAMES = MappingProxyType({events_pb2.ROLE_ADMINISTRATOR: "administrator", events_pb2.ROLE_USER: "user"})
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
class Principal:
    """The holder of a valid, unrevoked credential."""

    token_id: str
    subject: str
    role: events_pb2.Role
    prefixes: tuple[UriPrefix, ...]
    rights: frozenset[events_pb2.Right]
    expires_at_ms: int

    @property
    def is_administrator(self) -> bool:
        """Whether the caller manages stores and sees every secret's existence."""
        return self.role == events_pb2.ROLE_ADMINISTRATOR

    def sees(self, uri: SecretUri) -> bool:
        """Whether `uri` exists at all for the caller."""
        return self.is_administrator or self.covers(uri)

    def covers(self, uri: SecretUri) -> bool:
        """Whether `uri` lies below one of the caller's prefixes."""
        return any(prefix.covers(uri) for prefix in self.prefixes)

    def may(self, right: events_pb2.Right, uri: SecretUri) -> bool:
        """Whether the caller has `right` on `uri`."""
        return right in self.rights and self.covers(uri)

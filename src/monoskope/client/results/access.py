"""What m8 says of who may do what. Roles and rights are the words that role bindings are written with.

All of it is m8's word.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Self, cast

from monoskope.api.gateway.v1 import access_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.client.results import moment
from monoskope.errors import UsageError
from monoskope.protocol.outcomes import Kind, spelled
from monoskope.value import Unshared, Value


def role_named(word: str) -> events_pb2.Role:
    """Return the role "administrator", "auditor", "user" or "metrics". Raises `UsageError` for another word."""
    return cast("events_pb2.Role", _named(events_pb2.Role, word, "role"))


def right_named(word: str) -> events_pb2.Right:
    """Return the right "put", "see-hash" and so on. Raises `UsageError` for another word."""
    return cast("events_pb2.Right", _named(events_pb2.Right, word, "right"))


def _named(kind: Kind, word: str, what: str) -> int:
    known = {enum_word(kind, number): number for number in kind.DESCRIPTOR.values_by_number if number}
    if word not in known:
        raise UsageError(f"{word!r} is no {what}.", fix=f"Use one of {', '.join(known)}.")
    return known[word]


def enum_word(kind: Kind, value: int) -> str:
    """Return a role or a right as role bindings are written with it."""
    return spelled(kind, value).lower().replace("_", "-")


def rights_of(values: Iterable[int]) -> tuple[str, ...]:
    """Return the words of rights."""
    return tuple(enum_word(events_pb2.Right, value) for value in values)


class RoleBinding(Value, frozen=True):
    """A role binding: it gives its role to its members."""

    name: str
    """Its name, never used for another."""
    role: str
    """"administrator", "auditor", "user" or "metrics"."""
    members: tuple[str, ...]
    """`kind:issuer:name`, each once."""
    prefix: str = ""
    """With "user": below which URI prefix the rights are valid."""
    rights: tuple[str, ...] = ()
    """With "user": for example ("put", "see-hash")."""
    made_by: str = ""
    """Who created it, or changed it last, as m8 says; "" for one that is not recorded yet."""
    version: int = 0
    """The position in the log of the event that made it what it is; 0 for one that is not recorded yet."""

    @classmethod
    def of(cls, view: access_pb2.RoleBinding) -> Self:
        """Return what a message says."""
        return cls(
            name=view.name,
            role=enum_word(events_pb2.Role, view.role),
            members=tuple(view.members),
            prefix=view.prefix,
            rights=rights_of(view.rights),
            made_by=view.made_by,
            version=view.version,
        )

    def message(self) -> access_pb2.RoleBinding:
        """Return it as a message. Raises `UsageError` for a role, a right or a version that is none."""
        if not 0 <= self.version < 2**63:
            raise UsageError(f"{self.version} is no version of a role binding.", fix="Take it from the list of them.")
        return access_pb2.RoleBinding(
            name=self.name,
            role=role_named(self.role),
            members=self.members,
            prefix=self.prefix,
            rights=[right_named(right) for right in self.rights],
            version=self.version,
        )


class PrefixRights(Value, frozen=True):
    """Rights below one URI prefix."""

    prefix: str
    rights: tuple[str, ...]
    role_binding: str
    """The role binding that gives them; "" for the token itself."""


class WhoAmI(Value, frozen=True):
    """Who the caller is to m8, and what the caller may do now."""

    subject: str
    """As grants and the log name the caller."""
    member: str
    """`kind:issuer:name`; "" for a token with rights of its own."""
    issuer: str
    """The issuer whose token was exchanged; "" if none was."""
    issuer_subject: str
    """The `sub` of that token."""
    groups: tuple[str, ...]
    """The member's groups that count."""
    roles: tuple[str, ...]
    """They add up. A member whom no role binding names has none."""
    rights: tuple[PrefixRights, ...]
    token_id: str
    """32 hex digits."""
    expires_at: dt.datetime | None

    @classmethod
    def of(cls, answer: access_pb2.WhoAmIResponse) -> Self:
        """Return what an answer says."""
        return cls(
            subject=answer.subject,
            member=answer.member,
            issuer=answer.issuer,
            issuer_subject=answer.issuer_subject,
            groups=tuple(answer.groups),
            roles=tuple(enum_word(events_pb2.Role, role) for role in answer.roles),
            rights=tuple(PrefixRights(one.prefix, rights_of(one.rights), one.role_binding) for one in answer.rights),
            token_id=answer.token_id,
            expires_at=moment(answer.expires_at_ms),
        )


class Permission(Value, frozen=True):
    """Whether somebody may do something."""

    allowed: bool
    role_bindings: tuple[str, ...]
    """Those that allow it; none if the token itself does."""


class AllowedMember(Value, frozen=True):
    """One who may do something."""

    member: str
    """`kind:issuer:name`, or the plain subject of a token with rights of its own."""
    role_binding: str
    """The role binding that allows it, or ""."""
    token_id: str
    """The token that allows it by itself, or ""."""


class ChangedRoleBinding(Value, frozen=True):
    """A role binding that was changed, or would be. Its name stays."""

    before: RoleBinding
    after: RoleBinding


class Applied(Value, frozen=True):
    """What changed when role bindings were applied, or what would change. Each part is sorted by name."""

    created: tuple[RoleBinding, ...]
    changed: tuple[ChangedRoleBinding, ...]
    deleted: tuple[RoleBinding, ...]
    unchanged: int


class NewToken(Unshared, Value, frozen=True):
    """A new token. Nobody can read it again later."""

    hidden = frozenset({"token"})

    token: str
    token_id: str
    """32 hex digits."""
    expires_at: dt.datetime | None


class Token(Value, frozen=True):
    """What m8 knows of a token."""

    token_id: str
    """32 hex digits."""
    subject: str
    member: str
    """"" for a token with rights of its own."""
    role: str
    """The role of a token with rights of its own, else ""."""
    prefixes: tuple[str, ...]
    rights: tuple[str, ...]
    expires_at: dt.datetime | None
    revoked: bool
    made_by: str
    """Who made it; m8 itself for a login or a copy."""

    @classmethod
    def of(cls, view: access_pb2.Token) -> Self:
        """Return what a message says."""
        return cls(
            token_id=view.token_id,
            subject=view.subject,
            member=view.member,
            role=enum_word(events_pb2.Role, view.role) if view.role else "",
            prefixes=tuple(view.prefixes),
            rights=rights_of(view.rights),
            expires_at=moment(view.expires_at_ms),
            revoked=view.revoked,
            made_by=view.made_by,
        )

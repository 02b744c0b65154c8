"""Role bindings: one aggregate, because names are unique, and a file of them is applied as a whole or not at all.

A binding gives its role to its members. Its name is never used for another. A member gets nothing from a binding that
the same member created, whatever groups it names: m8 does not know all groups of those who call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from google.protobuf.message import Message

from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import UsageError
from monoskope.m8.domain.principal import Pair, Principal
from monoskope.protocol.login import Member, MemberKind
from monoskope.uri import UriPrefix

ROLE_BINDINGS_STREAM = "role-bindings"
"""The one stream about role bindings."""


@dataclass(frozen=True, slots=True)
class RoleBinding:
    """One role binding.

    Attributes:
        name: Its unique name.
        role: What its members are.
        members: Sorted, each once.
        prefix: Below which the rights are valid, for users; else None.
        rights: Sorted, for users; else none.
        created_by: The actor that recorded it.
    """

    name: str
    role: events_pb2.Role
    members: tuple[Member, ...]
    prefix: UriPrefix | None = None
    rights: tuple[events_pb2.Right, ...] = ()
    created_by: str = field(default="", compare=False)
    pairs: tuple[Pair, ...] = field(default=(), init=False, compare=False)
    """What it allows a user."""

    def __post_init__(self) -> None:
        # What a role of a newer m8 means by a prefix and rights, this one cannot know.
        if self.prefix is not None and self.role == events_pb2.ROLE_USER:
            object.__setattr__(self, "pairs", (Pair(self.prefix, frozenset(self.rights), self.name),))


@dataclass(frozen=True, slots=True)
class RoleBindings:
    """Every role binding that is valid, and the names of those that were."""

    version: int = 0
    bindings: Mapping[str, RoleBinding] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    """All names that were ever used."""
    of_member: Mapping[Member, tuple[str, ...]] = field(default_factory=dict)
    """The names of the bindings of each member, sorted."""

    @property
    def groups(self) -> frozenset[Member]:
        """The groups that a binding names: a token names no others."""
        return frozenset(member for member in self.of_member if member.kind is MemberKind.GROUP)

    def naming(self, members: Iterable[Member]) -> tuple[RoleBinding, ...]:
        """Return the bindings that name one of `members`, sorted by name."""
        names = {name for member in members for name in self.of_member.get(member, ())}
        return tuple(self.bindings[name] for name in sorted(names))

    def bound(self, principal: Principal) -> Principal:
        """Return `principal` with what the bindings give now; as it is if its token has rights of its own."""
        if principal.member is None:
            return principal
        found = [
            binding
            for binding in self.naming((principal.member, *principal.groups))
            if binding.created_by != principal.subject
        ]
        return replace(
            principal,
            roles=frozenset(binding.role for binding in found),
            pairs=tuple(pair for binding in found for pair in binding.pairs),
        )


def fold(bindings: RoleBindings, events: Iterable[tuple[Message | None, str]]) -> RoleBindings:
    """Return `bindings` after recorded events, None for one of an unknown type, each with its actor."""
    version, known, names = bindings.version, dict(bindings.bindings), set(bindings.names)
    for message, actor in events:
        version += 1
        match message:
            case events_pb2.RoleBindingCreated():
                known[message.name] = recorded(message, actor)
                names.add(message.name)
            case events_pb2.RoleBindingDeleted():
                known.pop(message.name, None)
            case _:
                pass
    if version == bindings.version:
        return bindings
    return RoleBindings(version, MappingProxyType(known), frozenset(names), _by_member(known))


def recorded(message: events_pb2.RoleBindingCreated, actor: str) -> RoleBinding:
    """Return the binding that an event created. A member of a kind that only a newer m8 knows gets nothing here."""
    return RoleBinding(
        message.name,
        message.role,
        tuple(member for member in map(_known, message.members) if member is not None),
        UriPrefix.parse(message.prefix) if message.prefix else None,
        tuple(message.rights),
        actor,
    )


def _known(text: str) -> Member | None:
    try:
        return Member.parse(text)
    except UsageError:
        return None


def _by_member(bindings: Mapping[str, RoleBinding]) -> Mapping[Member, tuple[str, ...]]:
    found: dict[Member, list[str]] = {}
    for name in sorted(bindings):
        for member in bindings[name].members:
            found.setdefault(member, []).append(name)
    return MappingProxyType({member: tuple(names) for member, names in found.items()})

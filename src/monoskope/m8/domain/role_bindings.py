"""Role bindings: what one may say, and what they give to a caller.

They are one aggregate, because names are unique, and a file of them is applied as a whole or not at all. A binding
gives its role to its members. A member gets nothing from a binding that the same member created or changed last,
whatever groups it names: m8 does not know all groups of those who call. What is decided about them: `binding_changes`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from google.protobuf.message import Message

from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import UsageError
from monoskope.m8.domain.principal import RIGHT_NAMES, ROLE_NAMES, Pair, Principal
from monoskope.protocol.login import Member, MemberKind
from monoskope.uri import UriPrefix

ROLE_BINDINGS_STREAM = "role-bindings"
"""The one stream about role bindings."""


@dataclass(frozen=True, slots=True)
class RoleBinding:
    """One role binding.

    Attributes:
        name: Its name, which no other has at the time.
        role: What its members are.
        members: Sorted, each once.
        prefix: Below which the rights are valid, for users; else None.
        rights: Sorted, for users; else none.
        made_by: The actor who created it, or changed it last.
        version: The position in the log of the event that made it what it is: name and version together are never
            those of another one. Of a wanted one: the version that was seen, 0 for none.
    """

    name: str
    role: events_pb2.Role
    members: tuple[Member, ...]
    prefix: UriPrefix | None = None
    rights: tuple[events_pb2.Right, ...] = ()
    made_by: str = field(default="", compare=False)
    version: int = field(default=0, compare=False)
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
    """All names that were ever used: to delete one of these again is no mistake."""
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
            if binding.made_by != principal.subject
        ]
        return replace(
            principal,
            roles=frozenset(binding.role for binding in found),
            pairs=tuple(pair for binding in found for pair in binding.pairs),
        )


def fold(bindings: RoleBindings, events: Iterable[tuple[Message | None, str, int]]) -> RoleBindings:
    """Return `bindings` after recorded events, None for one of an unknown type, each with its actor and position."""
    version, known, names = bindings.version, dict(bindings.bindings), set(bindings.names)
    for message, actor, position in events:
        version += 1
        match message:
            case events_pb2.RoleBindingCreated():
                known[message.name] = recorded(message, actor, position)
                names.add(message.name)
            case events_pb2.RoleBindingChanged():
                known[message.after.name] = recorded(message.after, actor, position)
            case events_pb2.RoleBindingDeleted():
                known.pop(message.name, None)
            case _:
                pass
    if version == bindings.version:
        return bindings
    return RoleBindings(version, MappingProxyType(known), frozenset(names), _by_member(known))


def recorded(message: events_pb2.RoleBindingCreated, actor: str, position: int) -> RoleBinding:
    """Return the binding that an event made. A member of a kind that only a newer m8 knows gets nothing here."""
    return RoleBinding(
        message.name,
        message.role,
        tuple(member for member in map(_known, message.members) if member is not None),
        UriPrefix.parse(message.prefix) if message.prefix else None,
        tuple(message.rights),
        actor,
        position,
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


MAX_MEMBERS = 256
"""Members of one role binding at most."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}", re.ASCII)


def parse(
    *,
    name: str,
    role: events_pb2.Role,
    members: Iterable[str],
    prefix: str,
    rights: Iterable[events_pb2.Right],
    version: int = 0,
) -> RoleBinding:
    """Return the role binding with this content, of the version that was seen, 0 for none.

    Raises:
        UsageError: it breaks a rule; names the binding and the rule.
    """
    if _NAME.fullmatch(name) is None:
        raise UsageError(f"{name!r} is no name of a role binding.", fix="Use 1 to 63 of a-z 0-9 -, a letter first.")
    if role not in ROLE_NAMES:
        raise _wrong(name, f"the role must be one of {', '.join(ROLE_NAMES.values())}")
    parsed = tuple(sorted({Member.parse(member) for member in members}, key=str))
    if not 1 <= len(parsed) <= MAX_MEMBERS:
        raise _wrong(name, f"it needs 1 to {MAX_MEMBERS} members")
    own = tuple(sorted(set(rights)))
    if any(right not in RIGHT_NAMES for right in own):
        raise _wrong(name, f"a right must be one of {', '.join(RIGHT_NAMES.values())}")
    if role != events_pb2.ROLE_USER:
        if prefix or own:
            raise _wrong(name, f"the role {ROLE_NAMES[role]} takes no prefix and no rights")
        return RoleBinding(name, role, parsed, version=version)
    if not prefix or not own:
        raise _wrong(name, "the role user needs a prefix and at least one right")
    return RoleBinding(name, role, parsed, UriPrefix.parse(prefix), own, version=version)


def event_of(binding: RoleBinding) -> events_pb2.RoleBindingCreated:
    """Return the event that creates a binding."""
    return events_pb2.RoleBindingCreated(
        name=binding.name,
        role=binding.role,
        members=[str(member) for member in binding.members],
        prefix="" if binding.prefix is None else str(binding.prefix),
        rights=binding.rights,
    )


def _wrong(name: str, why: str) -> UsageError:
    return UsageError(f"the role binding {name}: {why}.", fix="Correct it; nothing was changed.")

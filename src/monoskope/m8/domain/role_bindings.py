"""Role bindings: what one may say, what they give to a caller, and what is decided about several at once.

They are one aggregate, because names are unique, and a file of them is applied as a whole or not at all. A binding
gives its role to its members. Its name is never used for another. A member gets nothing from a binding that the same
member created, whatever groups it names: m8 does not know all groups of those who call.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeAlias

from google.protobuf.message import Message

from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import AlreadyExistsError, NotFoundError, RefusedError, UsageError
from monoskope.m8.domain.principal import RIGHT_NAMES, ROLE_NAMES, Pair, Principal
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


MAX_BINDINGS = 1_000
"""Role bindings that are valid at a time, at most: a file can name them all."""

MAX_BYTES = 1_048_576
"""Bytes of their events together, at most: an answer has room for all of them."""

MAX_MEMBERS = 256
"""Members of one role binding at most."""

MAX_MEMBERS_IN_ALL = 16_000
"""Members of all of them together, at most: a request that names them all has no more elements than one may have."""

Change: TypeAlias = events_pb2.RoleBindingCreated | events_pb2.RoleBindingDeleted

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Plan:
    """What makes the bindings the ones that are wanted."""

    created: tuple[RoleBinding, ...]
    """Sorted by name."""
    deleted: tuple[RoleBinding, ...]
    """Sorted by name."""
    unchanged: int


def parse(
    *, name: str, role: events_pb2.Role, members: Iterable[str], prefix: str, rights: Iterable[events_pb2.Right]
) -> RoleBinding:
    """Return the role binding with this content.

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
        return RoleBinding(name, role, parsed)
    if not prefix or not own:
        raise _wrong(name, "the role user needs a prefix and at least one right")
    return RoleBinding(name, role, parsed, UriPrefix.parse(prefix), own)


def apply(known: RoleBindings, wanted: Sequence[RoleBinding], *, by: Principal, prune: bool) -> list[Change]:
    """Decide to make the bindings the ones that are wanted; [] if they are. Those that are not named stay, or `prune`.

    Raises:
        UsageError: two have the same name, or `prune` would leave none.
        AlreadyExistsError: a name is or was that of another binding.
        RefusedError: one that is new names `by`, or a group of `by`; or there would be too many.
    """
    change = plan(known, wanted, prune=prune)
    for binding in change.created:
        _check_not_own(binding, by)
    gone = {binding.name for binding in change.deleted}
    left = [binding for name, binding in known.bindings.items() if name not in gone]
    _check_size([*left, *change.created])
    return [events_pb2.RoleBindingDeleted(name=binding.name) for binding in change.deleted] + [
        event_of(binding) for binding in change.created
    ]


def plan(known: RoleBindings, wanted: Sequence[RoleBinding], *, prune: bool) -> Plan:
    """Return what makes the bindings the ones that are wanted. Raises `UsageError`, `AlreadyExistsError` as `apply`."""
    if prune and not wanted:
        # A file that was cut off, or a pipe whose beginning failed. No name can be used again.
        raise UsageError(
            "there is no role binding among those that are to stay: that would delete all.",
            fix="Look at what was applied: an empty file, or a pipe whose beginning failed.",
        )
    by_name = {binding.name: binding for binding in wanted}
    if len(by_name) != len(wanted):
        raise UsageError("two role bindings have the same name.", fix="Name each one once.")
    for name, binding in by_name.items():
        if name in known.names and known.bindings.get(name) != binding:
            raise _taken(name, is_there=name in known.bindings)
    created = tuple(by_name[name] for name in sorted(by_name) if name not in known.bindings)
    deleted = tuple(known.bindings[name] for name in sorted(known.bindings) if name not in by_name) if prune else ()
    return Plan(created, deleted, len(by_name) - len(created))


def delete(known: RoleBindings, name: str) -> list[Change]:
    """Decide to delete a binding; [] if that is done. Raises `NotFoundError` if there never was one of that name."""
    if name not in known.names:
        raise NotFoundError(f"there is no role binding {name!r}.", fix="Look at: monoctl get role-bindings.")
    return [events_pb2.RoleBindingDeleted(name=name)] if name in known.bindings else []


def event_of(binding: RoleBinding) -> events_pb2.RoleBindingCreated:
    """Return the event that creates a binding."""
    return events_pb2.RoleBindingCreated(
        name=binding.name,
        role=binding.role,
        members=[str(member) for member in binding.members],
        prefix="" if binding.prefix is None else str(binding.prefix),
        rights=binding.rights,
    )


def _check_not_own(binding: RoleBinding, by: Principal) -> None:
    own = set(binding.members) & ({by.member, *by.groups} if by.member is not None else set())
    if own:
        found = min(own, key=str)
        whose = "a group of yours" if found.kind is MemberKind.GROUP else "you"
        raise RefusedError(
            f"the role binding {binding.name} names {found}, which is {whose}; nobody gives a role to themselves.",
            fix="Ask another administrator to create it.",
        )


def _check_size(bindings: Sequence[RoleBinding]) -> None:
    if (
        len(bindings) > MAX_BINDINGS
        or sum(len(binding.members) for binding in bindings) > MAX_MEMBERS_IN_ALL
        or sum(event_of(binding).ByteSize() for binding in bindings) > MAX_BYTES
    ):
        raise RefusedError(
            f"that would be more than {MAX_BINDINGS:,} role bindings, more than {MAX_MEMBERS_IN_ALL:,} members in them,"
            f" or more than {MAX_BYTES:,} bytes of them.",
            fix="Name a group instead of its members.",
        )


def _taken(name: str, *, is_there: bool) -> AlreadyExistsError:
    if is_there:
        return AlreadyExistsError(
            f"there is a role binding {name!r} with other content.",
            fix="A role binding never changes: create one of another name in its place.",
        )
    return AlreadyExistsError(
        f"a role binding was called {name!r} before; a name is never used again.", fix="Choose another name."
    )


def _wrong(name: str, why: str) -> UsageError:
    return UsageError(f"the role binding {name}: {why}.", fix="Correct it; nothing was changed.")

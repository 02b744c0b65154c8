"""What is decided about role bindings: to create, change or delete one, and several at once.

Nobody gives a role to themselves. So nobody creates a binding that names them, and nobody changes one that names them
before or after. A change needs the version that its author saw: of two at once the second is refused. Deleting gives
nobody anything, so every administrator may delete every binding (docs/adr/0068-role-bindings-are-edited.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import AlreadyExistsError, ConflictError, NotFoundError, RefusedError, UsageError
from monoskope.m8.domain.events import detail
from monoskope.m8.domain.principal import Principal
from monoskope.m8.domain.role_bindings import RoleBinding, RoleBindings, event_of
from monoskope.protocol.login import MemberKind

MAX_BINDINGS = 1_000
"""Role bindings that are valid at a time, at most: a file can name them all."""

MAX_BYTES = 1_048_576
"""Bytes of what they say together, at most: an answer has room for all of them."""

MAX_MEMBERS_IN_ALL = 16_000
"""Members of all of them together, at most: a request that names them all has no more elements than one may have."""

Change: TypeAlias = events_pb2.RoleBindingCreated | events_pb2.RoleBindingChanged | events_pb2.RoleBindingDeleted

_LOOK = "Look at what is there (monoctl get role-bindings -o yaml), make your change to that, and apply it."


@dataclass(frozen=True, slots=True)
class Plan:
    """What makes the bindings the ones that are wanted. Each part is sorted by name."""

    created: tuple[RoleBinding, ...] = ()
    changed: tuple[tuple[RoleBinding, RoleBinding], ...] = ()
    """Each as it is, and as it is wanted."""
    deleted: tuple[RoleBinding, ...] = ()
    unchanged: int = 0

    @property
    def events(self) -> list[Change]:
        """What is recorded for it."""
        return [
            *(_deleted(binding) for binding in self.deleted),
            *(
                events_pb2.RoleBindingChanged(before=event_of(there), after=event_of(wanted), version=there.version)
                for there, wanted in self.changed
            ),
            *map(event_of, self.created),
        ]


def create(known: RoleBindings, wanted: RoleBinding, *, by: Principal) -> list[Change]:
    """Decide to create a binding; [] if it is there.

    Raises:
        AlreadyExistsError: one of that name says something else.
        RefusedError: it names `by`, or a group of `by`; or there would be too many.
    """
    there = known.bindings.get(wanted.name)
    if there == wanted:
        return []
    if there is not None:
        raise AlreadyExistsError(
            f"there is a role binding {wanted.name!r} with other content.",
            fix="Change it with monoctl apply, or create one of another name.",
        )
    _check_not_own(wanted, by, "creates")
    _check_size([*known.bindings.values(), wanted])
    return [event_of(wanted)]


def apply(known: RoleBindings, wanted: Sequence[RoleBinding], *, by: Principal, prune: bool) -> Plan:
    """Decide to make the bindings the ones that are wanted. Those that are not named stay, or `prune`.

    Raises:
        UsageError: two have the same name, or `prune` would leave none.
        ConflictError: one is to be changed that is not of the version that was seen, or is gone.
        RefusedError: one that is created or changed names `by`, or a group of `by`; or there would be too many.
    """
    plan = _plan(known, wanted, prune=prune)
    for binding in plan.created:
        _check_not_own(binding, by, "creates")
    for before_and_after in plan.changed:
        for binding in before_and_after:
            _check_not_own(binding, by, "changes")
    left = dict(known.bindings)
    for binding in plan.deleted:
        del left[binding.name]
    _check_size([*(left | {binding.name: binding for binding in wanted}).values()])
    return plan


def _plan(known: RoleBindings, wanted: Sequence[RoleBinding], *, prune: bool) -> Plan:
    if prune and not wanted:
        # A file that was cut off, or a pipe whose beginning failed.
        raise UsageError(
            "there is no role binding among those that are to stay: that would delete all.",
            fix="Look at what was applied: an empty file, or a pipe whose beginning failed.",
        )
    by_name = {binding.name: binding for binding in sorted(wanted, key=lambda one: one.name)}
    if len(by_name) != len(wanted):
        raise UsageError("two role bindings have the same name.", fix="Name each one once.")
    created, changed = [], []
    for name, binding in by_name.items():
        there = known.bindings.get(name)
        if there == binding:
            continue
        _check_seen(name, there, binding.version)
        if there is None:
            created.append(binding)
        else:
            changed.append((there, binding))
    deleted = tuple(known.bindings[name] for name in sorted(known.bindings) if name not in by_name) if prune else ()
    return Plan(tuple(created), tuple(changed), deleted, len(by_name) - len(created) - len(changed))


def delete(known: RoleBindings, name: str, *, version: int = 0) -> list[Change]:
    """Decide to delete a binding, of this version or 0 for whichever is there; [] if that is done.

    Raises:
        NotFoundError: there never was one of that name.
        ConflictError: it is of another version.
    """
    there = known.bindings.get(name)
    if there is None:
        if name not in known.names:
            raise NotFoundError(f"there is no role binding {name!r}.", fix="Look at: monoctl get role-bindings.")
        return []
    if version:
        _check_seen(name, there, version)
    return [_deleted(there)]


def _deleted(binding: RoleBinding) -> events_pb2.RoleBindingDeleted:
    return events_pb2.RoleBindingDeleted(name=binding.name, version=binding.version)


def _check_seen(name: str, there: RoleBinding | None, seen: int) -> None:
    """Raise `ConflictError` unless what is there has the version that was seen, 0 for nothing."""
    if there is None:
        if seen:
            raise ConflictError(
                f"the role binding {name} of version {seen} was deleted since; nothing was changed.",
                fix="Leave its version out to create it again.",
            )
    elif there.version != seen:
        was = f"was changed since version {seen}" if seen else "is there by now"
        raise ConflictError(
            f"the role binding {name} {was}; nothing was changed. Version {there.version} is by {there.made_by}."
            f" It says {detail(event_of(there))}.",
            fix=_LOOK,
        )


def _check_not_own(binding: RoleBinding, by: Principal, does: str) -> None:
    own = set(binding.members) & ({by.member, *by.groups} if by.member is not None else set())
    if own:
        found = min(own, key=str)
        whose = "a group of yours" if found.kind is MemberKind.GROUP else "you"
        raise RefusedError(
            f"the role binding {binding.name} names {found}, which is {whose}; nobody {does} one of their own.",
            fix="Ask another administrator to do it.",
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

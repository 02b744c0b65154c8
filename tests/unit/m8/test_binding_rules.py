"""The rule of role bindings, whatever several authors do to them: nobody gives a role to themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import Error
from monoskope.m8.domain.binding_changes import Change, apply, create, delete
from monoskope.m8.domain.principal import Principal
from monoskope.m8.domain.role_bindings import RoleBinding, RoleBindings, fold, parse
from monoskope.protocol.login import Member

GROUPS = {"anna": ("ops", "dev"), "ben": ("ops",), "carla": ("dev",), "dora": ()}
"""The groups that each is in at the issuer. m8 knows some of them, or none."""
MEMBERS = (*(f"user:corp:{name}" for name in GROUPS), "group:corp:ops", "group:corp:dev")
names = st.sampled_from(("one", "two"))
authors = st.sampled_from(sorted(GROUPS))
Content: TypeAlias = tuple[events_pb2.Role, frozenset[str]]
roles = st.sampled_from((events_pb2.ROLE_ADMINISTRATOR, events_pb2.ROLE_AUDITOR))
contents = st.tuples(roles, st.frozensets(st.sampled_from(MEMBERS), min_size=1, max_size=3))
seen: Bundle[RoleBindings] = Bundle("seen")


@dataclass(frozen=True)
class Held:
    """What the model knows of a binding: what it says, and who wrote it last."""

    role: events_pb2.Role
    members: frozenset[str]
    author: str


def holder(name: str, groups: Sequence[str]) -> Principal:
    """An administrator of whom m8 knows these groups."""
    member = Member.parse(f"user:corp:{name}")
    known = tuple(Member.parse(f"group:corp:{group}") for group in groups)
    return Principal("", str(member), frozenset(), (), 0, member=member, groups=known)


def everything(name: str) -> frozenset[str]:
    return frozenset({f"user:corp:{name}", *(f"group:corp:{group}" for group in GROUPS[name])})


class Authors(RuleBasedStateMachine):
    """Several administrators create, change and delete. Each may act on what was there some time ago."""

    def __init__(self) -> None:
        super().__init__()
        self.now = RoleBindings()
        self.model: dict[str, Held] = {}
        self.position = 0

    @rule(target=seen)
    def look(self) -> RoleBindings:
        return self.now

    def act(self, name: str, knows_groups: bool, decide: Callable[[Principal], list[Change]]) -> str:
        """Do it, and return the code of what refused it. Whatever it is, it never gives its author more."""
        full = holder(name, GROUPS[name])
        before = self.now.bound(full).roles
        by = full if knows_groups else holder(name, ())
        try:
            events = decide(by)
        except Error as error:
            return error.code.name
        for event in events:
            self.position += 1
            self.now = fold(self.now, [(event, by.subject, self.position)])
        assert self.now.bound(full).roles <= before
        return ""

    @rule(name=names, content=contents, author=authors, knows=st.booleans())
    def create(self, name: str, content: Content, author: str, knows: bool) -> None:
        wanted = binding(name, content)
        said = self.act(author, knows, lambda by: create(self.now, wanted, by=by))
        there = self.model.get(name)
        if there is not None:
            assert said == ("" if (there.role, there.members) == content else "ALREADY_EXISTS")
            return
        assert said == ("REFUSED" if is_own(author, knows, content[1]) else "")
        if not said:
            self.model[name] = Held(*content, author)

    @rule(name=names, content=contents, author=authors, knows=st.booleans(), looked=seen)
    def change(self, name: str, content: Content, author: str, knows: bool, looked: RoleBindings) -> None:
        version, there = version_of(looked, name), self.model.get(name)
        is_old = version != version_of(self.now, name)
        wanted = replace(binding(name, content), version=version)
        said = self.act(author, knows, lambda by: apply(self.now, [wanted], by=by, prune=False).events)
        if there is not None and (there.role, there.members) == content:
            assert not said
        elif is_old:
            assert said == "CONFLICT"
        else:
            before = frozenset() if there is None else there.members
            assert said == ("REFUSED" if is_own(author, knows, content[1] | before) else "")
            if not said:
                self.model[name] = Held(*content, author)

    @rule(name=names, author=authors, looked=consumes(seen))
    def delete(self, name: str, author: str, looked: RoleBindings) -> None:
        version, now = version_of(looked, name), version_of(self.now, name)
        said = self.act(author, True, lambda _: delete(self.now, name, version=version))
        if now:
            assert said == ("CONFLICT" if version not in {0, now} else "")
        if not said:
            self.model.pop(name, None)

    @invariant()
    def each_has_what_others_wrote_last_and_nothing_else(self) -> None:
        for name, groups in GROUPS.items():
            given = {one.role for one in self.model.values() if one.members & everything(name) and one.author != name}
            assert self.now.bound(holder(name, groups)).roles == given
        assert self.now.bindings.keys() == self.model.keys()
        versions = [one.version for one in self.now.bindings.values()]
        assert len(set(versions)) == len(versions)


def binding(name: str, content: Content) -> RoleBinding:
    return parse(name=name, role=content[0], members=content[1], prefix="", rights=())


def version_of(bindings: RoleBindings, name: str) -> int:
    return bindings.bindings[name].version if name in bindings.bindings else 0


def is_own(name: str, knows_groups: bool, members: frozenset[str]) -> bool:
    """Whether one of `members` is the author, as far as m8 knows."""
    return bool(members & (everything(name) if knows_groups else {f"user:corp:{name}"}))


def test_no_act_of_an_administrator_adds_to_what_they_have() -> None:
    run_state_machine_as_test(Authors)

"""What administrators do: stores, role bindings and tokens."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from monoskope.client.results.access import RoleBinding
from tests.model.asking import DAY, NAMES, PREFIXES, RIGHTS, Asking, doors, members, rarely, tokens
from tests.model.record import Binding, Ticket
from tests.model.world import STORES


class Administration(Asking):
    @rule(store=st.sampled_from(STORES))
    def create(self, store: str) -> None:
        taken = store in self.record.active
        call = self.as_root(
            lambda root: root.stores.create(store, kind="memory", identity=self.world.identities[store])
        )
        assert call == ("ALREADY_EXISTS" if taken else "")
        self.record.active.setdefault(store, False)
        self.record.default = self.record.default or store

    @rule(store=st.sampled_from(STORES), off=rarely)
    def switch(self, store: str, off: bool) -> None:
        call = self.as_root(lambda root: root.stores.deactivate(store) if off else root.stores.activate(store))
        assert call == ("" if store in self.record.active else "NOT_FOUND")
        if not call:
            self.record.active[store] = not off

    @rule(store=st.sampled_from(STORES))
    def prefer(self, store: str) -> None:
        call = self.as_root(lambda root: root.stores.set_default(store))
        assert call == ("" if store in self.record.active else "NOT_FOUND")
        if not call:
            self.record.default = store

    @rule(name=st.sampled_from(NAMES), member=members, prefix=st.sampled_from(PREFIXES),
          rights=st.frozensets(st.sampled_from(RIGHTS), min_size=1) | st.just(frozenset(RIGHTS)), at=doors)  # fmt: skip
    def bind(self, name: str, member: str, prefix: str, rights: frozenset[str], at: int) -> None:
        binding = Binding(member, prefix, rights)
        if self.record.bindings.get(name) == binding:
            return
        wanted = RoleBinding(name=name, role="user", members=(member,), prefix=prefix, rights=tuple(sorted(rights)))
        call = self.as_root(lambda root: root.access.create_role_binding(wanted), at)
        assert call == ("ALREADY_EXISTS" if name in self.record.bindings else "")
        if not call:
            self.record.bindings[name] = binding
            self.record.names.add(name)

    @rule(name=st.sampled_from(NAMES), member=members, prefix=st.sampled_from(PREFIXES), at=doors)
    def rebind(self, name: str, member: str, prefix: str, at: int) -> None:
        wanted = RoleBinding(name=name, role="user", members=(member,), prefix=prefix, rights=tuple(sorted(RIGHTS)))
        assert self.as_root(lambda root: root.access.apply_role_bindings([wanted]), at) == ""
        self.record.bindings[name] = Binding(member, prefix, frozenset(RIGHTS))
        self.record.names.add(name)

    @rule(name=st.sampled_from((*NAMES, *NAMES, "all-left", "all-right")), at=doors)
    def unbind(self, name: str, at: int) -> None:
        call = self.as_root(lambda root: root.access.delete_role_binding(name), at)
        assert call == ("" if name in self.record.names else "NOT_FOUND")
        self.record.bindings.pop(name, None)

    @rule(target=tokens, member=members, days=st.sampled_from((1, 30, 30)), at=doors)
    def ticket(self, member: str, days: int, at: int) -> str:
        made: Any = self.do(self.made(member, days, at))
        self.record.tickets[made.token] = Ticket(member, self.record.now_s + days * DAY)
        self.looks.ids[made.token] = made.token_id
        return str(made.token)

    async def made(self, member: str, days: int, at: int) -> Any:
        root = await self.world.as_root(at)
        return await root.access.create_token(member, ttl=dt.timedelta(days=days))

    @rule(token=tokens, really=rarely, at=doors)
    def revoke(self, token: str, really: bool, at: int) -> None:
        if not really:
            return
        assert self.as_root(lambda root: root.access.revoke_token(self.looks.ids[token]), at) == ""
        ticket = self.record.tickets[token]
        self.record.tickets[token] = Ticket(ticket.member, ticket.until_s, revoked=True)

"""What comes and goes: reactors, processes of m8, time, and users who never come back."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from monoskope.api.gateway.v1 import commands_pb2
from monoskope.m8.service.app import Caller
from monoskope.m8.service.commands import Commands
from tests.model.asking import LONG_S, Asking, doors, rarely, tokens, uris
from tests.model.record import DeniedError
from tests.model.world import STORES, Replica
from tests.support.vectors import a_request


class Parts(Asking):
    """Rules of what runs."""

    @rule(store=st.sampled_from(STORES), number=st.sampled_from((0, 1)), at=doors)
    def attach(self, store: str, number: int, at: int) -> None:
        """Start a reactor of a store that exists."""
        replica = self.world.replicas.setdefault((store, number), Replica(self.world, store, number))
        if replica.attached or store not in self.record.active:
            return
        servers = tuple(self.world.m8[(at + step) % 2].server for step in (0, 1))
        self.do(replica.start(servers))
        self.record.attached[store] = self.record.attached.get(store, 0) + 1
        self.do(self.looks.settled())

    @rule(store=st.sampled_from(STORES), number=st.sampled_from((0, 1)), really=rarely)
    def leave(self, store: str, number: int, really: bool) -> None:
        """End a reactor, with a goodbye. That reactors are killed is for the rig (`make rig`).

        m8 takes a killed one for attached until it was silent for some time, and here time stands still.
        """
        replica = self.world.replicas.get((store, number))
        if not really or replica is None or not replica.attached:
            return
        self.do(replica.stop())
        self.record.attached[store] -= 1
        self.do(self.looks.settled())

    @rule(at=doors)
    def restart(self, at: int) -> None:
        """End one m8 and start it again; its reactors go to the other meanwhile."""

        async def again() -> None:
            await self.world.m8[at].stop()
            await self.world.m8[at].start()
            await self.looks.settled()

        self.do(again())

    @rule(at=doors)
    def rebuild(self, at: int) -> None:
        """Make the read models anew from the events, and find the same."""
        self.do(self.looks.rebuilt(at))

    @rule(hours=st.sampled_from((1, 1, 1, 13, 40)), at=doors)
    def later(self, hours: int, at: int) -> None:
        """Let time pass, and m8 do what it does by the clock: whatever is open ends, and old sealed bytes go."""
        self.world.clock.pass_s(hours * 3_600)
        self.record.now_s += hours * 3_600
        self.do(self.looks.passed(at))

    @rule(uri=uris, token=tokens, at=doors)
    @precondition(lambda self: sum(self.record.attached.values()) > 0)
    def abandon(self, uri: str, token: str, at: int) -> None:
        """Ask for a key, and never use it."""
        try:
            member = self.record.holder(token)
            self.record.may(member, uri, "put")
            self.record.open(uri)
        except DeniedError:
            return
        self.do(self.asked(uri, token, at))

    async def asked(self, uri: str, token: str, at: int) -> None:
        m8 = self.world.m8[at]
        self.looks.asked += 1
        request = a_request(uri=uri, request_id=self.looks.asked.to_bytes(16, "big"))
        message = commands_pb2.RequestSecretUploadKeyRequest(request=request.content, wait=True)
        principal = await self.looks.principal(m8, token)
        await Commands(m8.app).request_secret_upload_key(message, Caller(principal, LONG_S))

"""The state machine: what users and administrators do, step by step, to the model and to the real parts at once.

`make model` runs it from a seed, `make test` the same few steps each time.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule, run_state_machine_as_test

from monoskope.api.gateway.v1 import commands_pb2
from monoskope.m8.service.app import Caller
from monoskope.m8.service.commands import Commands
from monoskope.testing.engines.postgres import Postgres
from tests.model.administration import Administration
from tests.model.asking import CONTENTS, HOT, LONG_S, MEMBERS, RIGHTS, Asking, Questions, doors, rarely, tokens, uris
from tests.model.record import DeniedError
from tests.model.world import STORES, Replica
from tests.model.writes import Writes
from tests.support.vectors import a_request


class Parts(Asking):
    @rule(store=st.sampled_from(STORES), number=st.sampled_from((0, 1)), at=doors)
    def attach(self, store: str, number: int, at: int) -> None:
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


BEGUN = (
    (HOT, CONTENTS[0]),
    (HOT, CONTENTS[1]),
    ("right://team/a", CONTENTS[2]),
    ("left://team/b", CONTENTS[3]),
)
"""What is put at the beginning of each example. The last one is deleted."""


class Machine(Writes, Questions, Administration, Parts):
    """Each rule asks the model what must come of it, does it, and compares."""

    @initialize(target=tokens)
    def begin(self) -> Any:
        """Begin with stores that have a reactor each, one user who may do everything there, and what that user put.

        Hypothesis leaves some rules out of each example: what is put here can be rolled back, copied and undeleted in
        those that have no put.
        """
        for store in STORES:
            self.create(store)
            self.switch(store, off=False)
            self.attach(store, 0, 0)
            self.bind(f"all-{store}", MEMBERS[0], f"{store}://", frozenset(RIGHTS), 0)
        token = self.ticket(MEMBERS[0], 30, 0)
        for uri, content in BEGUN:
            self.put(uri, content, "ANY", {"team": "a"}, "2031-01-01", token, 0)
        self.delete(BEGUN[-1][0], "ANY", False, token, 1)
        return token

    def teardown(self) -> None:
        """Look once more at everything, and end it."""
        try:
            self.do(self.looks.log_holds())
        finally:
            self.do(self.world.close())
            self.runner.close()

    @invariant()
    def users_see_what_the_model_says(self) -> None:
        self.do(self.looks.everybody_sees())

    @invariant()
    def the_stores_are_those_of_the_model(self) -> None:
        self.do(self.looks.stores_hold())

    @invariant()
    def the_log_continues(self) -> None:
        self.do(self.looks.log_grows())


POLL_S = 0.002
"""How often each m8 looks for what the other one wrote to their file, in seconds."""


def run(
    number: int, *, examples: int, steps: int, shrink: bool = False, postgres: Postgres | None = None
) -> Counter[str]:
    """Run the examples of a seed, on a log in SQLite or in `postgres`, and return how often each rule ended how.

    Raises what the first example that fails raised, and prints its steps.
    """
    phases = [Phase.generate, Phase.shrink] if shrink else [Phase.generate]
    how = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        report_multiple_bugs=False,
        verbosity=Verbosity.normal,
        phases=phases,
    )

    @seed(number)
    class Seeded(Machine):
        tally: ClassVar[Counter[str]] = Counter()

    Seeded.postgres = postgres
    run_state_machine_as_test(Seeded, settings=how)
    return Seeded.tally

"""Whatever happens to a change and around it, m8 shows it in the one state that follows, and takes what that allows."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.m8.domain.principal import RIGHT_NAMES
from tests.support.changes import (
    APPROVE,
    BEN,
    DECLINED,
    DONE,
    ENDED,
    OPEN,
    OVERTAKEN,
    PROPOSE,
    WITHDRAWN,
    State,
    a_change,
    approve,
    decline,
    delete,
    execute,
    listed,
    look,
    propose,
    withdraw,
)
from tests.support.fake_reactor import FakeReactor
from tests.support.m8_user import refusal
from tests.support.m8_world import World, put
from tests.support.signed_requests import Person

EVA = Person("eva@example.org")
STEPS = ("approve", "approve as eva", "decline", "withdraw", "execute", "put", "delete", "end")
NUMBERS = itertools.count()
WITHIN_S = 60
STATES = (OPEN, DONE, ENDED, OVERTAKEN, WITHDRAWN, DECLINED)


@dataclass
class Model:
    """What must be true of one change, told without m8's code."""

    kind: str
    """What the change expects: nothing, the version 1, it to be deleted, or one that no receipt names."""
    version: int = 0
    """What is there, or was deleted last; 0 for nothing yet."""
    is_there: bool = False
    is_touched: bool = False
    """Whether a receipt tells of anything there since the change was proposed."""
    recorded: State = OPEN
    is_over: bool = False
    said: set[str] = field(default_factory=set)

    @property
    def fits(self) -> bool:
        """Whether what is there is what the change expects."""
        match self.kind:
            case "absent":
                return not self.is_there
            case "unknown":
                return not self.is_touched
            case _:
                return self.version == 1 and self.is_there is (self.kind == "version")

    @property
    def state(self) -> State:
        """The state that people see."""
        if self.recorded != OPEN:
            return self.recorded
        return ENDED if self.is_over else OPEN if self.fits else OVERTAKEN


class Stage:
    """One change, with those who act on it and the model of it."""

    def __init__(self, world: World, reactor: FakeReactor, kind: str) -> None:
        number = next(NUMBERS)
        self.world, self.reactor, self.kind = world, reactor, kind
        self.uri = f"vault://app/{number}"
        self.owner = world.user("owner", "vault://app", rights=frozenset(RIGHT_NAMES))
        self.anna = world.user(f"anna-{number}", "vault://app", rights=PROPOSE)
        self.ben, self.eva = (world.user(name, "vault://app", rights=APPROVE) for name in ("ben", "eva"))

    async def begin(self) -> None:
        """Make the place what the change expects, and propose it."""
        self.model = Model(self.kind)
        if self.kind != "absent":
            await self.write()
        if self.kind == "undelete":
            await self.remove()
        self.world.clock.pass_s(1)
        self.model.is_touched = False
        purpose = upload_pb2.PURPOSE_UNDELETE if self.kind == "undelete" else upload_pb2.PURPOSE_UPLOAD
        version = {"absent": "", "unknown": "9"}.get(self.kind, "1")
        self.change = a_change(self.world, uri=self.uri, purpose=purpose, version=version, within_s=WITHIN_S)
        await propose(self.anna, self.change)

    async def write(self) -> None:
        """Somebody else puts."""
        prior = str(self.model.version) if self.model.is_there else ""
        await put(self.owner, self.reactor, str(self.model.version + 1), prior=prior, uri=self.uri)
        self.model.version += 1
        self.model.is_there = self.model.is_touched = True

    async def remove(self) -> None:
        """Somebody else deletes what is there."""
        if not self.model.is_there:
            return
        await delete(self.owner, self.reactor, str(self.model.version), self.uri)
        self.model.is_there, self.model.is_touched = False, True

    async def step(self, what: str) -> None:
        """Do one thing, in m8 and in the model: what the model does not allow, m8 refuses, and records nothing of."""
        change = self.change
        match what:
            case "approve":
                await self.say(what, approve(self.ben, change, BEN.approves(change)), OPEN)
            case "approve as eva":
                await self.say(what, approve(self.eva, change, EVA.approves(change)), OPEN)
            case "decline":
                await self.say(what, decline(self.ben, change, "No."), OPEN, OVERTAKEN, leads_to=DECLINED)
            case "withdraw":
                await self.say(what, withdraw(self.anna, change), OPEN, OVERTAKEN, leads_to=WITHDRAWN)
            case "execute":
                await self.execute()
            case "put":
                await self.write()
            case "delete":
                await self.remove()
            case _:
                self.world.clock.pass_s(WITHIN_S + 1)
                await self.reactor.beat()
                self.model.is_over = True

    async def execute(self) -> None:
        """Execute it. m8 decides nothing: what the reactor says that it did is done, whatever was said before."""
        model = self.model
        if model.fits and self.kind in {"absent", "version"}:
            prior = str(model.version) if model.is_there else ""
            await execute(self.owner, self.reactor, self.change, str(model.version + 1), prior)
            model.version, model.is_there, model.recorded = model.version + 1, True, DONE

    async def say(self, what: str, call: Awaitable[Any], *allowed: State, leads_to: State = OPEN) -> None:
        """Say something of the change. The same again is answered, whatever came of it meanwhile."""
        model = self.model
        if what in model.said:
            await call
        elif model.state in allowed:
            await call
            model.said.add(what)
            model.recorded = leads_to
        else:
            await refusal("CONFLICT", call)

    async def check(self) -> None:
        """Look at what m8 shows, in each way."""
        model, change_id = self.model, self.change.change_id
        found = await look(self.ben, self.change)
        assert (found.state, found.version) == (model.state, 1 + len(model.said))
        # Of what is over by somebody's word m8 carries the approvals no more.
        carried = not model.said & {"decline", "withdraw"}
        assert {(one.subject, bool(one.approval)) for one in found.approvals} == {
            ("eva" if what.endswith("eva") else "ben", carried) for what in model.said if what.startswith("approve")
        }
        for state in STATES:
            assert await listed(self.eva, state=state, prefix=self.uri) == [change_id] * (state == model.state)
        waits = model.state == OPEN and "approve" not in model.said
        assert await listed(self.ben, waiting=True, prefix=self.uri) == [change_id] * waits
        rows = [row async for row in self.world.app.documents.open_changes(self.world.clock()) if row.uri == self.uri]
        assert len(rows) == (model.state == OPEN)


@pytest.fixture
async def reactor(world: World) -> FakeReactor:
    return await world.attached()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.sampled_from(["absent", "version", "undelete", "unknown"]),
    st.lists(st.sampled_from(STEPS), min_size=1, max_size=7),
)
@example("absent", ["put", "delete", "approve", "execute", "decline", "delete", "put"])
@example("version", ["approve", "decline", "approve as eva", "withdraw", "execute", "decline", "approve"])
@example("version", ["delete", "decline", "decline", "end"])
@example("undelete", ["approve", "put", "approve as eva", "withdraw", "withdraw", "decline"])
@example("unknown", ["approve", "put", "decline"])
@example("unknown", ["delete", "approve"])
@example("absent", ["approve", "end", "approve", "approve as eva", "decline", "withdraw", "execute"])
async def test_a_change_is_shown_in_the_state_that_follows_from_all_that_happened(
    world: World, reactor: FakeReactor, kind: str, steps: list[str]
) -> None:
    stage = Stage(world, reactor, kind)
    await stage.begin()
    await stage.check()
    for step in steps:
        await stage.step(step)
        await stage.check()

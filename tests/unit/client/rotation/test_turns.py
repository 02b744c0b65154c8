"""The promise, on a model: runs that are interleaved and stop anywhere never leave `db` with what does not log in."""

from __future__ import annotations

import contextlib
from collections.abc import Coroutine, Generator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from monoskope.client.rotation.round import (
    BETWEEN_ROUNDS_S,
    Generate,
    Look,
    Place,
    Round,
    SetAccount,
    Switch,
    Sync,
    Wish,
    digest_of,
)
from monoskope.client.rotation.spec import Rotation, name_of
from monoskope.client.rotation.walk import Copied, Rotated, RotationStoppedError, carry_out
from monoskope.errors import ConflictError, OutcomeUnknownError

DB, A, B = "vault://orders/db", "pg://orders_a", "pg://orders_b"
NEXT = f"{DB}.next"
K = "fp1:" + "1" * 16


@dataclass
class Sent:
    """A write that may come at any moment until its key is over, whoever waits for it."""

    uri: str
    expect: str | None
    content: str
    until_ms: int
    made_by: Round | None = None


class Pause:
    """Where another run may come between."""

    def __await__(self) -> Generator[None]:
        yield


class World:
    """Places, and writes under way. The content at `db` and `next` is the account's name and a password.

    Without `versions` accounts take any write, and nobody can say what is there.
    """

    def __init__(self, *, accounts: int, versions: bool) -> None:
        self.now_ms = 1_900_000_000_000
        self.accounts, self.versions = (A, B)[:accounts], versions
        self.rotation = Rotation.of(DB, self.accounts, grace="1h")
        self.at = {DB: ("1", "orders_a p0"), NEXT: ("1", "orders_a p0"), A: ("1", "p0"), B: ("1", "p-")}
        self.round = Round(A, digest_of("0"), self.now_ms)
        self.changed_ms = self.now_ms
        self.made = 0
        self.sent: list[Sent] = []
        self.unsaid: dict[str, int] = {}
        """How many writes came to a place and are not recorded yet."""
        self.compared = 0
        self.named_live = False
        """Whether others made new values for the account that was live."""
        self.loses = ""
        """"answer": that of the next write is lost. "write": it is lost, and the write comes later."""

    @property
    def is_writing(self) -> bool:
        return any(self.unsaid.values())

    def place(self, uri: str) -> Place:
        version, content = self.at[uri]
        if uri in self.accounts and not self.versions:
            return Place(uri, Sync.UNREADABLE)
        if self.unsaid.get(uri):
            return Place(uri, Sync.DRIFTED, version)
        password = content.rpartition(" ")[2]
        return Place(uri, Sync.IN_SYNC, version, f"{K}:{content}", {"password": f"{K}:{password}"}, self.changed_ms)

    def come(self, one: Sent) -> bool:
        """Let a write come; whether it changed something. Raises `ConflictError`."""
        self.sent.remove(one)
        version, content = self.at[one.uri]
        any_version = one.expect is None or (one.uri in self.accounts and not self.versions)
        if self.now_ms > one.until_ms or not (any_version or one.expect == version):
            raise ConflictError(f"{one.uri} is at {version}.")
        if one.made_by is None and content == one.content:
            return False
        self.at[one.uri] = (str(int(version) + 1), one.content)
        self.round = one.made_by or self.round
        self.changed_ms = self.now_ms if one.uri == DB else self.changed_ms
        self.logs_in()
        return True

    def others_generate(self, which: int) -> None:
        """Let who may generate at `next` alone make new values by the right recipes, in a round for any account."""
        account, self.made = self.accounts[which % len(self.accounts)], self.made + 1
        self.at[NEXT] = (str(int(self.at[NEXT][0]) + 1), f"{name_of(account)} p{self.made}")
        self.round = Round(account, digest_of(self.at[DB][0]), self.now_ms)
        self.named_live |= self.at[DB][1].startswith(name_of(account))

    def logs_in(self) -> None:
        name, password = self.at[DB][1].split()
        pauses = len(self.accounts) == 1 and self.at[DB][1] != self.at[NEXT][1]
        assert pauses or self.at[f"pg://{name}"][1] == password, "what stands at db does not log in"


class Run:
    """The hands of one run: it pauses before each thing that it does, and where a look asks the next place."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def wait(self, seconds: float, why: str) -> None:
        await Pause()
        self.world.now_ms += int(seconds * 1000)

    async def look(self) -> Look:
        places, made_by = {NEXT: self.world.place(NEXT)}, self.world.round
        for uri in (DB, *self.world.accounts):
            await Pause()
            places[uri] = self.world.place(uri)
        return Look(places[DB], places[NEXT], tuple(places[uri] for uri in self.world.accounts), made_by)

    async def is_written(self, look: Look) -> bool:
        await Pause()
        return self.world.is_writing

    async def account(self, uri: str) -> Place:
        await Pause()
        return self.world.place(uri)

    async def live(self, look: Look) -> str | None:
        await Pause()
        self.world.compared += 1
        if self.world.at[DB][0] != look.db.version:
            raise ConflictError("another version is at db.")
        return f"pg://{self.world.at[DB][1].split()[0]}"

    async def rehearse(self, look: Look) -> None:
        raise AssertionError("nobody asks for approvals")

    async def _write(self, uri: str, expect: str | None, content: str, made_by: Round | None = None) -> bool:
        world = self.world
        one = Sent(uri, expect, content, world.now_ms + BETWEEN_ROUNDS_S * 1000, made_by)
        world.sent.append(one)
        await Pause()  # whoever is stopped here leaves it under way
        lost, world.loses = world.loses, ""
        if lost == "write" or one not in world.sent:
            raise OutcomeUnknownError("lost.")
        changed = world.come(one)
        world.unsaid[uri] = world.unsaid.get(uri, 0) + changed
        try:
            await Pause()
        finally:  # also if nobody waits for it any more
            world.unsaid[uri] -= changed
        if lost:
            raise OutcomeUnknownError("lost.")
        return changed

    async def generate(self, step: Generate) -> Place:
        self.world.made += 1
        content = f"{name_of(step.round.account)} p{self.world.made}"
        await self._write(NEXT, step.expect, content, step.round)
        return self.world.place(NEXT)

    def _source(self, version: str) -> str:
        there, content = self.world.at[NEXT]
        if there != version:
            raise ConflictError("another version is at the source.")
        return content

    async def set_account(self, step: SetAccount) -> Copied:
        await Pause()
        changed = await self._write(step.account, step.expect, self._source(step.source).rpartition(" ")[2])
        return Copied(self.world.at[step.account][0], unchanged=not changed)

    async def switch(self, step: Switch) -> Place:
        await Pause()
        await self._write(DB, step.expect, self._source(step.source))
        return self.world.place(DB)


def stepped(run: Coroutine[Any, Any, Rotated]) -> bool:
    """Let a run go on to its next pause; whether it has ended."""
    try:
        run.send(None)
    except (StopIteration, RotationStoppedError, ConflictError, OutcomeUnknownError):
        return True
    return False


WHAT = st.lists(
    st.one_of(
        st.tuples(st.just("step"), st.integers(0, 2)),
        st.tuples(st.just("steps"), st.integers(5, 12)),
        st.tuples(st.just("ends"), st.just(0)),
        st.tuples(st.just("stop"), st.integers(0, 2)),
        st.tuples(st.just("lose"), st.integers(0, 1)),
        st.tuples(st.just("comes"), st.just(0)),
        st.tuples(st.just("others"), st.integers(0, 1)),
        st.tuples(st.just("wait"), st.sampled_from([1, 60, 121, 3_601])),
    ),
    max_size=120,
)


@pytest.mark.parametrize(
    ("accounts", "versions"), [(2, True), (2, False), (1, True), (1, False)], ids=["two", "blind", "one", "one blind"]
)
@given(happened=WHAT)
def test_what_stands_at_db_logs_in_at_every_moment_and_the_next_run_ends_the_round(
    happened: list[tuple[str, int]], *, accounts: int, versions: bool
) -> None:
    world = World(accounts=accounts, versions=versions)
    runs: dict[int, Coroutine[Any, Any, Rotated]] = {}
    for what, which in happened:
        happens(world, runs, what, which)
    for run in runs.values():
        run.close()
    world.loses, world.now_ms = "", world.now_ms + 3_601_000
    done = to_its_end(carry_out(Wish(world.rotation, world.now_ms, adopt=world.named_live), Run(world)))
    assert world.at[DB][1] == world.at[NEXT][1] == f"{name_of(done.account)} {world.at[done.account][1]}"


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_what_another_run_is_writing_just_now_stops_nobody(nth: int) -> None:
    world, writes, was = World(accounts=2, versions=True), 0, False
    world.now_ms += 3_601_000
    first, second = (carry_out(Wish(world.rotation, world.now_ms, force=True), Run(world)) for _ in range(2))
    while writes < nth:
        first.send(None)
        writes, was = writes + (world.is_writing and not was), world.is_writing
    for _ in range(8):
        second.send(None)
    assert to_its_end(first).upstream_version == to_its_end(second).upstream_version == world.at[DB][0] == "2"


def test_after_an_end_that_is_not_known_it_waits_until_nothing_can_come_any_more() -> None:
    world = World(accounts=1, versions=False)
    world.now_ms += 3_601_000
    began_ms, world.loses = world.now_ms, "write"
    run = carry_out(Wish(world.rotation, began_ms), Run(world))
    for _ in range(20):
        if world.now_ms > began_ms:
            break
        run.send(None)
    assert world.now_ms == began_ms + BETWEEN_ROUNDS_S * 1000
    done = to_its_end(run)
    assert done.began_at is not None
    assert done.began_at.timestamp() * 1000 == world.now_ms


def test_what_the_same_copy_does_not_find_again_is_never_switched_to() -> None:
    class Forgets(Run):
        async def set_account(self, step: SetAccount) -> Copied:
            return structs.replace(await super().set_account(step), unchanged=False)

    world = World(accounts=2, versions=False)
    world.now_ms += 3_601_000
    before = world.at[DB]
    with pytest.raises(ConflictError, match="is not there"):
        to_its_end(carry_out(Wish(world.rotation, world.now_ms), Forgets(world)))
    assert world.at[DB] == before


def test_each_step_is_told_as_it_begins_and_none_that_another_run_has_done() -> None:
    world, told = World(accounts=2, versions=True), list[str]()
    world.now_ms += 3_601_000
    first = carry_out(Wish(world.rotation, world.now_ms), Run(world), told.append)
    while told[-1:] != ["PROVE"]:
        stepped(first)
    first.close()
    assert told == ["LOOK", "MAKE_VALUES", "SET_ACCOUNT", "PROVE"]
    told.clear()
    to_its_end(carry_out(Wish(world.rotation, world.now_ms), Run(world), told.append))
    assert told == ["LOOK", "SWITCH"]
    assert world.compared == 0


@pytest.mark.parametrize("account", [A, B])
def test_a_round_that_others_began_is_for_the_account_that_is_not_live_or_stops(account: str) -> None:
    world = World(accounts=2, versions=True)
    world.now_ms += 3_601_000
    world.others_generate((A, B).index(account))
    run = carry_out(Wish(world.rotation, world.now_ms), Run(world))
    if account == A:  # it is live
        before = world.at[DB], world.at[A]
        with pytest.raises(RotationStoppedError, match="may be live"):
            to_its_end(run)
        assert (world.at[DB], world.at[A]) == before
        world.now_ms += BETWEEN_ROUNDS_S * 1000
        run = carry_out(Wish(world.rotation, world.now_ms, adopt=True), Run(world))
    assert to_its_end(run).account == B


def to_its_end(run: Coroutine[Any, Any, Rotated]) -> Rotated:
    """Let a run go on to its end, and return what it returns."""
    while True:
        try:
            run.send(None)
        except StopIteration as end:
            done: Rotated = end.value
            return done


def happens(world: World, runs: dict[int, Coroutine[Any, Any, Rotated]], what: str, which: int) -> None:
    """Let one thing happen: steps or the end of a run, a whole one, a lost answer, a write that comes late, or time."""
    if what == "lose":
        world.loses = ("answer", "write")[which]
    elif what == "comes":
        if world.sent:
            with contextlib.suppress(ConflictError):
                world.come(world.sent[0])
    elif what == "wait":
        world.now_ms += which * 1000
    elif what == "others":
        # Accounts that take any write take late ones, too, of the round that others end so.
        if world.versions:
            world.others_generate(which)
    elif what == "stop":
        if which in runs:
            runs.pop(which).close()
    else:
        goes_on(world, runs, what, which)


def goes_on(world: World, runs: dict[int, Coroutine[Any, Any, Rotated]], what: str, which: int) -> None:
    """Let a whole run go by, or one or several steps of one."""
    wish = Wish(world.rotation, world.now_ms, force=True)
    if what == "ends":
        whole = carry_out(wish, Run(world))
        while not stepped(whole):
            pass
        return
    run, times = (0, which) if what == "steps" else (which, 1)
    for _ in range(times):
        if run not in runs:
            runs[run] = carry_out(wish, Run(world))
        if stepped(runs[run]):
            del runs[run]

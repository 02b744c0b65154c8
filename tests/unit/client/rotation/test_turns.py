"""The promise, on a model: runs that are interleaved and stop anywhere never leave `db` with what does not log in."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from monoskope.client.rotation.round import Generate, Look, Place, Round, SetAccount, Switch, Sync, Wish, digest_of
from monoskope.client.rotation.spec import Rotation, name_of
from monoskope.client.rotation.walk import Rotated, RotationStoppedError, carry_out
from monoskope.errors import ConflictError, OutcomeUnknownError

DB, A, B = "vault://orders/db", "pg://orders_a", "pg://orders_b"
NEXT = f"{DB}.next"
ROTATION = Rotation.of(DB, [A, B], grace="1h")
K = "fp1:" + "1" * 16


class Pause:
    """Where another run may come between."""

    def __await__(self) -> Generator[None]:
        yield


class World:
    """Places with versions and check-and-set. The content at `db` and `next` is the account's name and a password."""

    def __init__(self) -> None:
        self.now_ms = 1_900_000_000_000
        self.at = {DB: ("1", "orders_a p0"), NEXT: ("1", "orders_a p0"), A: ("1", "p0"), B: ("1", "p-")}
        self.round = Round(A, digest_of("0"), self.now_ms)
        self.made = 0
        self.loses: bool = False
        """Whether the answer of the next write is lost."""

    def place(self, uri: str) -> Place:
        version, content = self.at[uri]
        password = content.rpartition(" ")[2]
        return Place(uri, Sync.IN_SYNC, version, f"{K}:{content}", {"password": f"{K}:{password}"})

    def write(self, uri: str, expect: str | None, content: str) -> str:
        version = self.at[uri][0]
        if expect not in {None, version}:
            raise ConflictError(f"{uri} is at {version}.")
        self.at[uri] = (str(int(version) + 1), content)
        self.logs_in()
        if self.loses:
            self.loses = False
            raise OutcomeUnknownError("lost.")
        return self.at[uri][0]

    def logs_in(self) -> None:
        name, password = self.at[DB][1].split()
        assert self.at[f"pg://{name}"][1] == password, "what stands at db does not log in"


class Run:
    """The hands of one run: it pauses before each thing that it does, and where a look asks the next place."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def look(self) -> Look:
        places, made_by = {NEXT: self.world.place(NEXT)}, self.world.round
        for uri in (DB, A, B):
            await Pause()
            places[uri] = self.world.place(uri)
        return Look(places[DB], places[NEXT], (places[A], places[B]), made_by)

    async def account(self, uri: str) -> Place:
        await Pause()
        return self.world.place(uri)

    async def live(self, look: Look) -> str | None:
        raise AssertionError("nothing is adopted")

    async def generate(self, step: Generate) -> Place:
        await Pause()
        before, self.world.made = self.world.round, self.world.made + 1
        try:
            # Labels and values are one request: who made them is seen from then on.
            self.world.round = step.round
            self.world.write(NEXT, step.expect, f"{name_of(step.round.account)} p{self.world.made}")
        except ConflictError:
            self.world.round = before
            raise
        return self.world.place(NEXT)

    def _source(self, version: str) -> str:
        there, content = self.world.at[NEXT]
        if there != version:
            raise ConflictError("another version is at the source.")
        return content

    async def set_account(self, step: SetAccount) -> str:
        await Pause()
        return self.world.write(step.account, step.expect, self._source(step.source).rpartition(" ")[2])

    async def switch(self, step: Switch) -> Place:
        await Pause()
        self.world.write(DB, step.expect, self._source(step.source))
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
        st.tuples(st.just("stop"), st.integers(0, 2)),
        st.tuples(st.just("lose"), st.just(0)),
        st.tuples(st.just("wait"), st.sampled_from([1, 121, 3_601])),
    ),
    max_size=120,
)


@given(WHAT)
def test_what_stands_at_db_logs_in_at_every_moment_and_the_next_run_ends_the_round(
    happened: list[tuple[str, int]],
) -> None:
    world = World()
    runs: dict[int, Coroutine[Any, Any, Rotated]] = {}
    for what, which in happened:
        happens(world, runs, what, which)
    for run in runs.values():
        run.close()
    world.loses, world.now_ms = False, world.now_ms + 3_601_000
    last = carry_out(Wish(ROTATION, world.now_ms), Run(world))
    done = to_its_end(last)
    assert world.at[DB][1] == world.at[NEXT][1]
    assert name_of(done.account) == world.at[DB][1].split()[0]


def to_its_end(run: Coroutine[Any, Any, Rotated]) -> Rotated:
    """Let a run go on to its end, and return what it returns."""
    while True:
        try:
            run.send(None)
        except StopIteration as end:
            done: Rotated = end.value
            return done


def happens(world: World, runs: dict[int, Coroutine[Any, Any, Rotated]], what: str, which: int) -> None:
    """Let one thing happen: a step or the end of a run, a lost answer, or time."""
    if what == "lose":
        world.loses = True
    elif what == "wait":
        world.now_ms += which * 1000
    elif what == "stop":
        if which in runs:
            runs.pop(which).close()
    else:
        if which not in runs:
            runs[which] = carry_out(Wish(ROTATION, world.now_ms), Run(world))
        if stepped(runs[which]):
            del runs[which]


def test_each_step_is_told_as_it_begins_and_none_that_another_run_has_done() -> None:
    world, told = World(), list[str]()
    world.now_ms += 3_601_000
    first = carry_out(Wish(ROTATION, world.now_ms), Run(world), told.append)
    while told[-1:] != ["PROVE"]:
        stepped(first)
    first.close()
    assert told == ["LOOK", "GENERATE", "SET_ACCOUNT", "PROVE"]
    told.clear()
    to_its_end(carry_out(Wish(ROTATION, world.now_ms), Run(world), told.append))
    assert told == ["LOOK", "SWITCH"]

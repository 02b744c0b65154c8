"""The check of linearizability: histories known to be good, known to be bad, and small ones that are tried by force."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from typing import get_args

import pytest

from tests.rig import writers
from tests.rig.history import OK, Operation
from tests.rig.linear import Call, Kind, is_linearizable, smallest
from tests.support.engines import Version

GOOD = {
    "nothing": [],
    "one after the other": [Call(0, 1, "cas", "a"), Call(2, 3, "cas", "b", "a"), Call(4, 5, "read", "b")],
    "both orders of two that overlap": [Call(0, 10, "write", "a"), Call(1, 9, "write", "b"), Call(11, 12, "read", "a")],
    "a read during a write sees it": [Call(0, 10, "write", "a"), Call(1, 2, "read", "a")],
    "a read during a write does not see it yet": [Call(0, 10, "write", "a"), Call(1, 2, "read", "")],
    "refused because somebody else was first": [Call(0, 5, "cas", "a"), Call(1, 4, "refused", expected="")],
    "an unknown write that took effect much later": [
        Call(0, math.inf, "cas", "a"),
        Call(5, 6, "read", ""),
        Call(7, 8, "read", "a"),
    ],
    "an unknown write that never took effect": [Call(0, math.inf, "cas", "a"), Call(5, 6, "cas", "b")],
    "an unknown write explains a refusal": [Call(0, math.inf, "cas", "a"), Call(5, 6, "refused", expected="")],
}
BAD = {
    "two succeed on one version": [Call(0, 5, "cas", "a"), Call(1, 4, "cas", "b")],
    "a lost update": [Call(0, 1, "write", "a"), Call(2, 3, "cas", "b", "a"), Call(4, 5, "cas", "c", "a")],
    "a stale read": [Call(0, 1, "write", "a"), Call(2, 3, "write", "b"), Call(4, 5, "read", "a")],
    "what was written is not there": [Call(0, 1, "write", "a"), Call(2, 3, "read-other", "a")],
    "the value comes back": [
        Call(0, 1, "write", "a"),
        Call(2, 9, "write", "b"),
        Call(3, 4, "read", "b"),
        Call(5, 6, "read", "a"),
    ],
    "refused although what was expected was there": [Call(0, 1, "write", "a"), Call(2, 3, "refused", expected="a")],
    "a value that nobody wrote": [Call(0, 1, "write", "a"), Call(2, 3, "read", "b")],
    "an unknown write before it was called": [Call(0, 1, "read", "a"), Call(2, math.inf, "write", "a")],
    "an unknown write twice": [
        Call(0, math.inf, "write", "a"),
        Call(1, 2, "read", "a"),
        Call(3, 4, "write", "b"),
        Call(5, 6, "read", "a"),
    ],
}


@pytest.mark.parametrize("name", GOOD)
def test_a_history_that_could_have_been_one_after_the_other(name: str) -> None:
    assert is_linearizable(GOOD[name])


@pytest.mark.parametrize("name", BAD)
def test_a_history_that_could_not(name: str) -> None:
    assert not is_linearizable(BAD[name])


def test_what_is_shown_of_a_bad_history_is_what_makes_it_bad() -> None:
    bad = [*BAD["a stale read"], *(Call(at, at + 0.5, "read", "b") for at in range(10, 20))]
    assert smallest(bad, lambda some: not is_linearizable(some)) == BAD["a stale read"]


def by_force(calls: Sequence[Call]) -> bool:
    """The definition itself: some order of all that are known to have happened, and of some that are not."""
    certain = [call for call in calls if call.ended != math.inf]
    unknown = [call for call in calls if call.ended == math.inf]
    chosen = (some for count in range(len(unknown) + 1) for some in itertools.combinations(unknown, count))
    return any(_fits(order) for some in chosen for order in itertools.permutations([*certain, *some]))


def _fits(order: Sequence[Call]) -> bool:
    held = ""
    for at, call in enumerate(order):
        then = call.after(held)
        if then is None or any(later.ended < call.began for later in order[at + 1 :]):
            return False
        held = then
    return True


def some_history(chance: random.Random) -> list[Call]:
    """Up to five calls on two values, as they may come."""
    calls = []
    for _ in range(chance.randint(2, 5)):
        began = chance.uniform(0, 10)
        kind: Kind = chance.choice(get_args(Kind))
        ended = math.inf if kind in {"write", "cas"} and chance.random() < 0.2 else began + chance.uniform(0.1, 6)
        calls.append(Call(began, ended, kind, chance.choice("ab"), chance.choice(("", "a", "b"))))
    return calls


def test_it_says_the_same_as_all_orders_by_force() -> None:
    chance = random.Random(1)
    histories = [some_history(chance) for _ in range(1_500)]
    said = [is_linearizable(calls) for calls in histories]
    assert said == [by_force(calls) for calls in histories]
    assert 200 < sum(said) < 1_300, "the histories show one side alone"


def test_many_writers_at_once_are_no_long_search() -> None:
    """Sixty-four who expect the same: one succeeds, the others are refused, over and over."""
    calls, held = [], ""
    for turn in range(8):
        calls += [Call(turn, turn + 0.9, "refused", expected=held) for _ in range(63)]
        calls.append(Call(turn, turn + 0.9, "cas", f"v{turn}", held))
        held = f"v{turn}"
    assert is_linearizable(calls)
    assert not is_linearizable([*calls, Call(9, 10, "read", "v6")])


def test_writes_that_were_never_made_are_no_long_search() -> None:
    uri = "vault://rig/writers"
    lost = [Operation(n, "put", uri, f"lost {n}", "any", "", 0.0, 1.0, "OUTCOME_UNKNOWN") for n in range(40)]
    told = [
        Operation(90, "put", uri, "first", "absent", "", 0.0, 1.0, OK, [], "v1"),
        Operation(91, "put", uri, "second", "v1", "", 2.0, 3.0, OK, [], "v2"),
        Operation(92, "compare", uri, "first", "", "", 4.0, 5.0, OK, [], "v1", equal=True),
    ]
    history = [Version("v1", {"password": "first"}), Version("v2", {"password": "second"})]
    assert writers.check([*lost, *told[:2]], history) == []
    [sentence] = writers.check([*lost, *told], history)
    assert "lost" not in sentence

"""A seed gives the same round again, in every process, and rounds differ."""

from __future__ import annotations

import hashlib

import pytest

from monoskope import failpoints
from tests.faults.table import LINK, at
from tests.faults.tcp_proxy import HOLD
from tests.rig.__main__ import rounds
from tests.rig.schedule import CLIENTS, HELD_S, LINKS, REACTORS, WORLDS, plan, replay


def test_a_seed_gives_the_same_round_in_every_process() -> None:
    digest = hashlib.sha256(repr(plan("7", "three", 4)).encode()).hexdigest()
    assert plan("7", "three", 4) == plan("7", "three", 4)
    assert plan("7", "three", 4) != plan("7", "three", 5) != plan("8", "three", 5)
    assert hashlib.sha256(repr(plan("7", "three", 4)).encode()).hexdigest() == digest


def test_what_is_printed_plans_the_same_rounds_again() -> None:
    planned = [plan("7", "three", number) for number in range(9, 13)]
    assert replay(planned[:1]) == "make rig SEED=7 WORLD=three ROUND=9"
    assert replay(planned) == "make rig SEED=7 WORLD=three ROUND=9-12"
    assert list(rounds("9")) == [9]
    assert [plan("7", "three", number) for number in rounds("9-12")] == planned


@pytest.mark.parametrize("world", WORLDS)
def test_rounds_break_every_part_and_every_link_in_every_way(world: str) -> None:
    rounds = [plan("1", world, number) for number in range(400)]
    faults = [fault for one in rounds for fault in one.faults]
    count, on_postgres = WORLDS[world]
    engines = {"openbao", "postgres"} if on_postgres else {"openbao"}
    parts = {(kind, target) for target in ("m8", *REACTORS) for kind in ("kill", "stop", "failpoint")}
    parts |= {(kind, target) for target in engines for kind in ("kill", "stop")}
    links = {(kind, target) for target in LINKS if target != "postgres" or on_postgres for kind in at(LINK)}
    assert {(fault.kind, fault.target) for fault in faults} == parts | links
    assert {fault.which for fault in faults if fault.target == "m8"} == set(range(count))
    assert {len(one.steps) for one in rounds} == {CLIENTS}


def test_no_two_writes_have_one_value() -> None:
    steps = [step for number in range(20) for one in plan("1", "sqlite", number).steps for step in one]
    values = [step.value for step in steps if step.value]
    assert len(set(values)) == len(values)
    assert {step.verb for step in steps} == {"put", "patch", "delete", "copy", "compare"}


def test_every_failpoint_that_is_drawn_exists_and_what_holds_an_engine_is_short() -> None:
    for number in range(200):
        one = plan("1", "three", number)
        armed = [fault.detail for fault in one.faults if fault.kind == "failpoint"]
        armed += [step.failpoint for steps in one.steps for step in steps if step.failpoint]
        for detail in armed:
            assert detail.partition("=")[0] in failpoints.NAMES
        held = [fault for fault in one.faults if fault.target == "openbao" and fault.kind in {"stop", HOLD}]
        assert all(fault.lasts_s <= HELD_S for fault in held)

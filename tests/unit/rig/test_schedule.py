"""A round of the rig: what a seed plans, what its clients note, and when a run has failed."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest

from monoskope import failpoints
from monoskope.exit_codes import ExitCode
from monoskope.failpoints import EXIT_CODE
from tests.faults.table import LINK, at
from tests.faults.tcp_proxy import HOLD
from tests.rig.__main__ import rounds
from tests.rig.clients import is_killed, note
from tests.rig.history import DEFECTS, KILLED, Operation
from tests.rig.run import too_little
from tests.rig.schedule import CLIENTS, HELD_S, LINKS, REACTORS, WORLDS, Step, plan, replay
from tests.rotations import plan as rotations


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


def test_a_run_in_which_nearly_nothing_succeeded_has_failed() -> None:
    assert too_little(Counter(operations=100, acknowledged=20)) == []
    assert too_little(Counter(operations=100, acknowledged=4)) == [
        "of 100 operations 4 were acknowledged: that shows nothing"
    ]


def step(failpoint: str = "", killed_after_s: float = 0.0) -> Step:
    return Step("put", "vault://rig/a", "value", "any", "", 0.0, failpoint, killed_after_s)


@pytest.mark.parametrize("code", [-9, -11, EXIT_CODE])
def test_a_program_that_dies_by_itself_is_a_defect(code: int) -> None:
    one = Operation(1, "put", "vault://rig/a", "value")
    note(one, code, b"", "Segmentation fault", killed=False)
    assert one.end in DEFECTS
    assert "Segmentation fault" in one.said
    note(one, code, b"", "", killed=True)
    assert one.end == KILLED


def test_only_a_plan_that_says_so_has_a_program_killed() -> None:
    assert is_killed(step("monoctl.before-send=kill"))
    assert is_killed(step("monoctl.before-send=exit"))
    assert is_killed(step(killed_after_s=0.5))
    assert not is_killed(step("monoctl.before-send=interrupt"))
    assert not is_killed(step("monoctl.before-send=stop"))
    assert not is_killed(step())


def test_an_end_that_is_told_is_noted() -> None:
    one = Operation(1, "put", "vault://rig/a", "value")
    note(one, ExitCode.CONFLICT, b"", "it is there", killed=False)
    assert (one.end, one.said) == ("CONFLICT", "it is there")


def test_rotations_meet_every_fault_at_every_step() -> None:
    faults = [one for number in range(1, 501) for one in rotations.plan("7", number)]
    assert faults == [one for number in range(1, 501) for one in rotations.plan("7", number)]
    assert len(faults) > 300
    aimed = {(one.step, one.fault.kind, one.fault.target, one.fault.which) for one in faults if one.step}
    kinds = {(kind, target, which) for _, kind, target, which in aimed}
    assert aimed == {(step, *kind) for step in rotations.STEPS for kind in kinds}
    assert {kind for kind, _, _ in kinds} == {"kill", "stop", "sealed", *at(LINK)}
    points = [one.fault.detail for one in faults if not one.step]
    assert all(failpoints.arm({failpoints.VARIABLE: point}) for point in points)
    failpoints.arm({})

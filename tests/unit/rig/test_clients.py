"""How the rig reads the end of a program: one that dies is a defect, unless the plan has it killed."""

from __future__ import annotations

import pytest

from monoskope.exit_codes import ExitCode
from monoskope.failpoints import EXIT_CODE
from tests.rig.clients import is_killed, note
from tests.rig.history import DEFECTS, KILLED, Operation
from tests.rig.schedule import Step


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

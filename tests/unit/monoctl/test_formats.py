"""Cells of tables: times that m8 says, whatever it says, and labels."""

from __future__ import annotations

import pytest

from monoskope.monoctl.output.formats import cell
from monoskope.times import rfc3339


@pytest.mark.parametrize("at_ms", [2**63 - 1, -(2**63), 253_402_300_800_000, -62_135_596_800_001])
def test_a_time_beyond_the_calendar_is_called_so(at_ms: int) -> None:
    said = rfc3339(at_ms)
    assert said == f"beyond the calendar ({at_ms} ms)"
    assert cell({"uploaded_at": said}, "uploaded_at") == said


@pytest.mark.parametrize("at_ms", [1, -1, 253_402_300_799_000])
def test_a_time_of_the_calendar_is_a_time(at_ms: int) -> None:
    assert rfc3339(at_ms).endswith("Z")
    assert cell({"uploaded_at": rfc3339(at_ms)}, "uploaded_at").endswith(("ago", "now"))


def test_labels_are_shown_as_the_flag_takes_them() -> None:
    assert cell({"labels": {"env": "prod", "owner": "team-a"}}, "labels") == "env=prod, owner=team-a"

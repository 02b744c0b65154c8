"""The rig of `make load`: what it judges, and that it runs, with a few of everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.load.plan import quantiles_ms, slope
from tests.load.run import Size, run, unordered


def test_watchers_that_saw_everything_in_order_are_fine() -> None:
    assert unordered([("s0://u0", [3, 5]), ("", [1, 2, 3, 5]), ("", [1, 2, 3])], of_all=2) == []


@pytest.mark.parametrize("seen", [[1, 3, 2], [1, 2, 2, 3], [1, 3], []], ids=["order", "twice", "missed", "nothing"])
def test_a_watcher_that_did_not_is_told(seen: list[int]) -> None:
    assert unordered([("", [1, 2, 3]), ("", seen)], of_all=2)


def test_memory_that_grows_has_a_slope() -> None:
    assert slope([(0.0, 100.0), (60.0, 160.0)]) == pytest.approx(1.0)
    assert slope([(0.0, 100.0)]) == 0.0


def test_one_call_has_no_p99() -> None:
    assert quantiles_ms([1.0]) == {"calls": 1}


@pytest.mark.soak
async def test_a_small_load_runs(tmp_path: Path) -> None:
    found = await run(tmp_path / "cluster", Size(0.5, 1, 8, 4, 2, 10, 0.05), None)
    assert found["wrong"] == []
    assert found["calls"]["put"]["calls"] > 0
    assert found["hostile"]["most_in_all"] > 0
    assert found["watchers"]["events"] > 0

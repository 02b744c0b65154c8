"""A run that shows nothing is no success."""

from __future__ import annotations

from collections import Counter

from tests.rig.run import too_little


def test_a_run_in_which_nearly_nothing_succeeded_has_failed() -> None:
    assert too_little(Counter(operations=100, acknowledged=20)) == []
    assert too_little(Counter(operations=100, acknowledged=4)) == [
        "of 100 operations 4 were acknowledged: that shows nothing"
    ]

"""Which tests one worker runs, where several do: those of a file, and those of several that share a slow start."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import pytest
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

TOGETHER = ("tests/console/", "tests/conformance/test_barbican_")
"""How the names begin of tests that share what takes seconds to start: a cluster, a browser and a console, or Barbican.

It is started once, not in each worker.
"""


class ByFileOrFolder(LoadFileScheduling):  # type: ignore[misc]
    """As `--dist loadfile`, but for the tests in `TOGETHER`."""

    def _split_scope(self, nodeid: str) -> str:
        shared = next(filter(nodeid.startswith, TOGETHER), None)
        return shared or str(super()._split_scope(nodeid))


_LAST = 4
"""Of so many files of tests/unit one is left to the end, so that no worker waits long for the last file of another."""


def in_turn(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return tests that wait for servers in turn with those of tests/unit, which need the processor: neither idles."""
    files = [list(tests) for _, tests in groupby(items, lambda item: item.path)]
    unit = [tests for tests in files if tests[0].nodeid.startswith("tests/unit/")]
    rest = [tests for tests in files if not tests[0].nodeid.startswith("tests/unit/")]
    beside = len(unit) - len(unit) // _LAST
    found = list[pytest.Item]()
    for number, tests in enumerate(rest):
        found += tests
        for more in unit[beside * number // len(rest) : beside * (number + 1) // len(rest)]:
            found += more
    return found + [test for tests in unit[beside if rest else 0 :] for test in tests]

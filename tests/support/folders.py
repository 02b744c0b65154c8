"""Which tests one worker runs, where several do: those of a file, and those of several that share a slow start."""

from __future__ import annotations

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

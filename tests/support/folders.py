"""Which tests one worker runs, where several do, and in which order.

One worker runs those of a file, and those of several files that share a slow start.
"""

from __future__ import annotations

from typing import Any

from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

TOGETHER = (
    "tests/console/",
    "tests/conformance/test_barbican_",
    "tests/conformance/test_mariadb_",
    "tests/conformance/test_rabbitmq_",
)
"""How the names begin of tests that share what takes seconds to start: a cluster, a browser and a console, or a server.

It is started once, not in each worker.
"""


class ByFileOrFolder(LoadFileScheduling):  # type: ignore[misc]
    """As `--dist loadfile`, but for the tests in `TOGETHER`, and from both ends.

    What stands first waits for servers much of its time, and what stands last (tests/unit) computes. So the last worker
    begins at the end, and the machine is busy all the time.
    """

    def _assign_work_unit(self, node: Any) -> None:
        if len(self.nodes) > 1 and node is self.nodes[-1]:
            self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
        super()._assign_work_unit(node)

    def _split_scope(self, nodeid: str) -> str:
        shared = next(filter(nodeid.startswith, TOGETHER), None)
        return shared or str(super()._split_scope(nodeid))

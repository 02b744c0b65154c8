"""Which tests one worker runs, where several do, and in which order.

One worker runs those of a file, and those of several files that share a slow start.
"""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

TOGETHER = {
    "tests/console/": "console",
    "tests/conformance/test_aws_": "moto",
    "tests/conformance/test_barbican_": "barbican",
    "tests/conformance/test_requests": "barbican",
    "tests/conformance/test_mariadb_": "mariadb",
    "tests/conformance/test_rabbitmq_": "rabbitmq",
}
"""By how the names of tests begin: what takes seconds to start, and is started once for all of them."""


_LONGEST = ("tests/console/", "tests/e2e/", "tests/crash/", "tests/conformance/")


def longest_first(items: list[pytest.Item]) -> None:
    """Let the files that take longest run first, so that no worker waits long for the last file of another."""
    items.sort(
        key=lambda item: next((at for at, begin in enumerate(_LONGEST) if item.nodeid.startswith(begin)), len(_LONGEST))
    )


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
        shared = next((what for begin, what in TOGETHER.items() if nodeid.startswith(begin)), None)
        return shared or str(super()._split_scope(nodeid))

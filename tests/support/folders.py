"""Which tests one worker runs, where several do: those of a file, and those of a folder that shares a browser."""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

BROWSER = "tests/console/"
"""Its cluster, its browser and its console take ten seconds of processor time to start: once, not in each worker."""


class ByFileOrFolder(LoadFileScheduling):  # type: ignore[misc]
    """As `--dist loadfile`, but for the folder `BROWSER`."""

    def _split_scope(self, nodeid: str) -> str:
        return BROWSER if nodeid.startswith(BROWSER) else str(super()._split_scope(nodeid))

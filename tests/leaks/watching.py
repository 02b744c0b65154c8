"""The arguments and the environment of every process of the machine, looked at while marked values go through."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.leaks.marks import CANARIES, CONTROLS, Marks

_LOOK_S = 0.05


class Processes:
    """Looks at the arguments and the environment of every process again and again, while others work."""

    def __init__(self, marks: Marks) -> None:
        self._needles = {one.name: one.needles for one in marks.wanted}
        self._ends = threading.Event()
        self.looks = 0
        self.leaks: set[str] = set()
        self.controls: dict[str, set[str]] = {"arguments": set(), "environments": set()}

    def _run(self) -> None:
        while not self._ends.wait(_LOOK_S):
            self.looks += 1
            for folder in Path("/proc").glob("[0-9]*"):
                for place, name in (("arguments", "cmdline"), ("environments", "environ")):
                    with contextlib.suppress(OSError):
                        self._take(place, folder.name, (folder / name).read_bytes())

    def _take(self, place: str, pid: str, content: bytes) -> None:
        for form, needles in self._needles[CANARIES].items():
            if any(needle in content for needle in needles):
                self.leaks.add(f"{place} of process {pid}: {form}")
        for form, needles in self._needles[CONTROLS].items():
            if any(needle in content for needle in needles):
                self.controls[place].add(form)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look as long as the block runs. What stops the looking before that is raised at its end."""
        with ThreadPoolExecutor(1) as one:
            looking = one.submit(self._run)
            try:
                yield
            finally:
                self._ends.set()
        looking.result()

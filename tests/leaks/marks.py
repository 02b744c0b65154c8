"""The marked values of one run: canaries, which must be nowhere, and controls, which must be found everywhere."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from monoskope.testing.search.canaries import Canaries, Style, new_mark

SIZES = (64, 64, 100, 100, 200, 300, 300, 600, 1_000, 3_000)
"""Of the values of one secret, again and again: their bytes."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Both, with a mark of its own each. They can be made again of the same seed."""

    canaries: Canaries
    controls: Canaries
    seed: int

    @classmethod
    def of(cls, seed: int) -> Marks:
        """Make them of a seed."""
        chosen = random.Random(seed)
        canaries, controls = (Canaries(new_mark(chosen.choice)) for _ in range(2))
        return cls(canaries, controls, seed)

    @property
    def forms(self) -> Sequence[str]:
        """In which a value could hide."""
        return sorted(self.controls.wanted.needles)

    def values(self, way: str, count: int, *, style: Style = "plain", most: int = 60_000) -> dict[str, bytes]:
        """Return so many new values for one secret, by key; `most` is the size of the largest."""
        sizes = (min(SIZES[number % len(SIZES)], most) for number in range(count))
        return {f"key-{number:02}": self.canaries.value(way, size, style) for number, size in enumerate(sizes)}

    def planted(self) -> list[bytes]:
        """Return a control in each form."""
        return [self.controls.planted("control", form) for form in self.forms]


def must_be_able_to_look(pid: int) -> None:
    """Fail, with what is missing, where this process cannot look into another one."""
    if not Path("/proc/self/mem").exists():
        pytest.fail("there is no /proc here: the memory, arguments and environments of processes cannot be searched")
    try:
        os.close(os.open(f"/proc/{pid}/mem", os.O_RDONLY))
    except ProcessLookupError:
        pytest.fail(f"process {pid} ended before its memory was searched")
    except OSError as error:
        pytest.fail(f"no right to trace process {pid} ({error.strerror}): run this as root, or with CAP_SYS_PTRACE")

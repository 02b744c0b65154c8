"""The marked values of one run: canaries, which must be nowhere, and controls, which must be found everywhere.

A third mark is in the names of secrets, which all parts may know and tell. Nobody plants it: a place where it is found
is one to which what is said of secrets comes.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from monoskope.testing.search import Wanted
from monoskope.testing.search.canaries import Canaries, Style, new_mark

SIZES = (64, 64, 100, 100, 200, 300, 300, 600, 1_000, 3_000)
"""Of the values of one secret, again and again: their bytes."""


CANARIES, CONTROLS, NAMES = "canaries", "controls", "names"
"""What a search calls them."""

WITH_NUL = frozenset({"utf-16", "utf-16-be", "utf-32"})
"""Forms that no argument and no variable can have."""


@dataclass(frozen=True, slots=True)
class Marks:
    """All of them, with a mark of its own each. They can be made again of the same seed."""

    canaries: Canaries
    controls: Canaries
    name: str
    """What is in the names of secrets."""
    seed: int

    @classmethod
    def of(cls, seed: int) -> Marks:
        chosen = random.Random(seed)
        canaries, controls = (Canaries(new_mark(chosen.choice)) for _ in range(2))
        return cls(canaries, controls, new_mark(chosen.choice), seed)

    @property
    def wanted(self) -> list[Wanted]:
        """All that a search looks for: of names only how they are kept, told and dumped."""
        names = Wanted.of(NAMES, self.name.encode()).needles
        return [
            Wanted(CANARIES, self.canaries.wanted.needles),
            Wanted(CONTROLS, self.controls.wanted.needles),
            Wanted(NAMES, {form: names[form] for form in ("raw", "base64/0", "base64/1", "base64/2", "hex/lower")}),
        ]

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

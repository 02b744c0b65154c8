"""What a search saw, place by place."""

from __future__ import annotations

from dataclasses import dataclass, field

from monoskope.testing.search import Result
from tests.leaks.marks import CANARIES, CONTROLS, NAMES


@dataclass
class Found:
    """What a search saw: places with canaries, and the forms of the controls by place."""

    leaks: list[str] = field(default_factory=list)
    controls: dict[str, set[str]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    """Places where a secret's name was found."""
    unsearched: list[str] = field(default_factory=list)
    size: int = 0
    keys: int = 0
    """Parts of one-time keys that were looked for."""

    def add(self, place: str, result: Result) -> None:
        """Count what one result says of `place`."""
        if not result.searched:
            self.unsearched.append(f"{result.place}: {result.reason}")
            return
        self.size += result.size
        if hits := {form: count for form, count in result.hits[CANARIES].items() if count}:
            self.leaks.append(f"{place}, {result.place}: {hits}")
        if result.total(NAMES):
            self.names.add(place)
        self.controls.setdefault(place, set()).update(form for form, n in result.hits[CONTROLS].items() if n)

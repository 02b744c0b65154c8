"""Is a history of one register linearizable? The search of Wing and Gong, with the memory of Lowe.

J. M. Wing and C. Gong, "Testing and verifying concurrent objects", 1993; G. Lowe, "Testing for linearizability", 2017.
A history is linearizable if each operation can be given one moment between its call and its return so that, one after
the other at these moments, all of them have the results that they had.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["write", "cas", "refused", "read", "read-other"]

NOTHING = ""
"""What the register holds at first."""


@dataclass(frozen=True, slots=True)
class Call:
    """One operation on a register that can be read, and written if it holds what the writer expects.

    Attributes:
        ended: When it returned, infinity if it is not known whether it took effect.
        kind: `write` sets `value`; `cas` sets `value` if the register holds `expected`; `refused` is a `cas` that did
            not, because the register held something else; `read` found `value`, and `read-other` another one.
    """

    began: float
    ended: float
    kind: Kind
    value: str = NOTHING
    expected: str = NOTHING

    def after(self, held: str) -> str | None:
        """Return what the register holds after it, None if it could not have had this result."""
        match self.kind:
            case "write":
                return self.value
            case "cas":
                return self.value if held == self.expected else None
            case "refused":
                return held if held != self.expected else None
            case "read":
                return held if held == self.value else None
            case "read-other":
                return held if held != self.value else None

    @property
    def changes(self) -> bool:
        """Whether it can change what the register holds."""
        return self.kind in {"write", "cas"}


def is_linearizable(calls: Sequence[Call]) -> bool:
    """Whether the calls could have happened one after the other.

    A call whose end is infinity may have happened at any moment after its beginning, or never. A call that changes
    nothing is placed as soon as it fits: it only takes away bounds of the others, so nothing is missed.
    """
    order = sorted(calls, key=lambda call: call.began)
    wanted = sum(1 << at for at, call in enumerate(order) if call.ended != math.inf)
    seen: set[tuple[int, str]] = set()
    stack = [_settled(order, 0, NOTHING)]
    while stack:
        done, held = stack.pop()
        if done & wanted == wanted:
            return True
        if (done, held) in seen:
            continue
        seen.add((done, held))
        for at in _open(order, done):
            then = order[at].after(held) if order[at].changes else None
            if then is not None:
                stack.append(_settled(order, done | 1 << at, then))
    return False


def _settled(order: Sequence[Call], done: int, held: str) -> tuple[int, str]:
    """Place every call that changes nothing and fits now."""
    placed = True
    while placed:
        placed = False
        for at in _open(order, done):
            if not order[at].changes and order[at].after(held) is not None:
                done |= 1 << at
                placed = True
    return done, held


def _open(order: Sequence[Call], done: int) -> list[int]:
    """Return the calls that can be next: not placed yet, and begun before any that is not placed had returned."""
    found: list[int] = []
    bound = math.inf
    for at, call in enumerate(order):
        if call.began > bound:
            break
        if not done >> at & 1:
            found.append(at)
            bound = min(bound, call.ended)
    return found


def smallest(calls: Sequence[Call], fails: Callable[[Sequence[Call]], bool]) -> list[Call]:
    """Return a failing history without the calls that change nothing and that it does not need to fail."""
    left = list(calls)
    for call in (one for one in calls if not one.changes):
        without = [one for one in left if one is not call]
        if fails(without):
            left = without
    return left

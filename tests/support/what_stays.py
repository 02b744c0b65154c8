"""Looking for what should be gone, in a process that may not have had its turn yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Sized
from typing import TypeVar

Left = TypeVar("Left", bound=Sized)

_PAUSE_S = 0.2


def what_stays(look: Callable[[], Left], *, seconds: float = 20.0) -> Left:
    """Look until nothing is left, for some seconds at most, and return what the last look found.

    On a busy machine a process that has answered may still hold what it lets go of next.
    """
    over_at = time.monotonic() + seconds
    while len(left := look()) and time.monotonic() < over_at:
        time.sleep(_PAUSE_S)
    return left

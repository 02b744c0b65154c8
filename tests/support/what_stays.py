"""Looking for what should be gone, in a process that may not have had its turn yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Sized
from typing import TypeVar

Left = TypeVar("Left", bound=Sized)

_PAUSE_S = 0.2
_SECONDS = 3.0
"""Less than a process holds what it lets go of only when a timer of its runs out: that has to be found."""


def what_stays(look: Callable[[], Left]) -> Left:
    """Look until nothing is left, for three seconds and then once more; return what the last look found.

    On a busy machine a process that has answered may still hold what it lets go of next.
    """
    over_at = time.monotonic() + _SECONDS
    is_last = False
    while len(left := look()) and not is_last:
        is_last = time.monotonic() > over_at
        time.sleep(_PAUSE_S)
    return left

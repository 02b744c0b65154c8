"""Whether anything came on a connection that waits to be used again. Nobody asked for it, so it is used no more."""

from __future__ import annotations

import select
import sys


def readable(descriptor: int) -> bool:
    """Return whether anything waits to be read, an end among it; True for a socket that is closed."""
    if descriptor < 0:
        return True
    if sys.platform == "win32":
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))

"""Whether gRPC still works in this process: not if it was forked while a connection was open."""

from __future__ import annotations

import os
from typing import Any
from weakref import WeakSet

from monoskope.errors import UsageError

FIX = (
    "Close the client before the fork, or start processes that are not forked: `multiprocessing.get_context('spawn')`."
)

_open: WeakSet[Any] = WeakSet()
_broken = False


def opening(connection: object) -> None:
    """Note that `connection` is open.

    Raises:
        UsageError: this process was forked while one was open. gRPC's threads did not come along, so a call in it
            could end the process, or never end.
    """
    if _broken:
        raise UsageError("this process was forked from one with an open client, and can open none.", fix=FIX)
    _open.add(connection)


def closed(connection: object) -> None:
    """Note that `connection` is closed."""
    _open.discard(connection)


def _in_child() -> None:
    global _broken  # noqa: PLW0603 - what is true of a process is one value of it
    _broken = _broken or bool(_open)


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_in_child)

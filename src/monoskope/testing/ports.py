"""Ports of this machine for servers of tests, of which no two processes that ask here are given the same one."""

from __future__ import annotations

import functools
import itertools
import os
import random
import secrets
import socket
import sys
from collections.abc import Iterator

_HOST = "127.0.0.1"

_FIRST = 12_000
"""Below the ports that systems give to outgoing connections: what is free stays free while a server starts again."""

_SHARES, _SHARE = 90, 200
"""Into how many shares the ports are parted, and how large each is: a process has one, as long as it runs."""


def free_port(*, with_next: bool = False) -> int:
    """A port that nothing listens on, below those that systems give to outgoing connections: free at a restart too.

    Args:
        with_next: Whether nothing listens on the port after it, either.
    """
    while True:
        port = next(_own())
        if _is_free(port) and (not with_next or _is_free(port + 1)):
            return port


@functools.cache
def _own() -> Iterator[int]:
    """The ports of this process, over and over in an order by chance, so that one is given again as late as can be."""
    begin = _FIRST + _own_share() * _SHARE
    # Every second one, so that the port after it is free, too.
    ports = range(begin, begin + _SHARE, 2)
    return itertools.cycle(random.sample(ports, len(ports)))


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_own.cache_clear)


def _own_share() -> int:
    """Take a share that no other running process has; any one, where that cannot be told or all are taken."""
    chosen = secrets.randbelow(_SHARES)
    if sys.platform == "linux":
        for step in range(_SHARES):
            share = (chosen + step) % _SHARES
            if _take(f"\0monoskope-ports-{share}"):
                return share
    return chosen


def _take(name: str) -> bool:
    """Take an abstract name until this process ends, if it is free; return whether it was."""
    keeper = socket.socket(socket.AF_UNIX)
    try:
        keeper.bind(name)
    except OSError:
        keeper.close()
        return False
    keeper.detach()  # it stays open, and nothing complains of that at the end
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        try:
            one.bind((_HOST, port))
        except OSError:
            return False
    return True

"""The connections of one m8: a ceiling for all, a share for each address, and who makes room when it is crowded.

gRPC accepts the connections and closes those above the ceiling (`server.options`). It knows no share of an address and
has no place where a program could refuse one, so this looks at the process's own sockets ten times a second, and shuts
those down that are too many (docs/adr/0017-before-login.md). Nothing that a connection carries goes through here.

Who has proven nothing makes room, the longest first: whoever logs in needs a fraction of a second for that.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from monoskope import operating_log
from monoskope.m8.limits.peers import named, origin

LOOK_S = 0.1
"""Between two looks."""

CALM_S = 6.0
"""When nobody was shut out for so long, a flood is over."""

_OPEN = "/dev/fd"
"""Where Linux and macOS list a process's open files; on Windows only the ceiling holds."""

_LISTED = Path(_OPEN).is_dir()

_FREE = 4
"""One place in so many is kept free for those who come next."""

_SPARED = 8
"""One place in so many is left to those who came last and have proven nothing yet."""


class Connections:
    """Keeps the connections of this process within their limits.

    Args:
        most: Connections at a time.
        each: Connections of one address at a time.
    """

    def __init__(self, most: int, each: int) -> None:
        self.most = most
        self._each = each
        self._proven: set[str] = set()
        self._known: dict[str, None] = {}
        self._disturbed_at: float | None = None
        self._shut = 0

    def prove(self, peer: str) -> None:
        """Remember that the peer, as gRPC calls it, has logged in or shown a token that counts."""
        self._proven.add(peer)

    def disturbed(self) -> None:
        """A flood is on: when it is over, its memory is given back."""
        self._disturbed_at = time.monotonic()

    async def run(self, port: int) -> None:
        """Look after the connections to `port` for ever."""
        if not _LISTED:
            return
        while True:
            await asyncio.sleep(LOOK_S)
            self.look(port)
            if self._disturbed_at is not None and time.monotonic() - self._disturbed_at >= CALM_S:
                self._disturbed_at = None
                if self._shut:
                    operating_log.get().warning("connections shut", connections=self._shut)
                    self._shut = 0
                await asyncio.to_thread(give_memory_back)

    def look(self, port: int) -> None:
        """Shut down what is too much, once."""
        files = _open_files()
        if len(files) <= self._each and len(self._proven) <= self.most:
            return
        found = dict(_connected(files, port))
        self._known = {peer: None for peer in (*self._known, *found) if peer in found}
        self._proven &= found.keys()
        for peer in self._too_many():
            self._shut += 1
            self.disturbed()
            _shut(found[peer], peer)

    def _too_many(self) -> list[str]:
        """Who has to go: what an address has above its share, then strangers until enough places are free."""
        by_origin: dict[str, list[str]] = {}
        for peer in self._known:
            by_origin.setdefault(origin(peer), []).append(peer)
        gone: list[str] = []
        for peers in by_origin.values():
            gone += self._in_turn(peers)[: max(0, len(peers) - self._each)]
        going = set(gone)
        above = len(self._known) - len(going) - (self.most - self.most // _FREE)
        strangers = [peer for peer in self._known if peer not in going and peer not in self._proven]
        # Those who came last are spared: where many have logged in, nobody else would have the time to do so.
        return gone + strangers[: max(0, min(above, len(strangers) - self.most // _SPARED))]

    def _in_turn(self, peers: Sequence[str]) -> list[str]:
        """Strangers first, of them who came first; then those who logged in, of them who came last."""
        strangers = [peer for peer in peers if peer not in self._proven]
        return strangers + [peer for peer in reversed(peers) if peer in self._proven]


def _open_files() -> list[int]:
    try:
        return [int(name) for name in os.listdir(_OPEN)]  # noqa: PTH208 - ten times a second
    except OSError:
        # No file is left to look with: there were so many that each place matters less than that we go on.
        return []


@contextlib.contextmanager
def _own(file: int) -> Iterator[socket.socket]:
    """A socket of ours for an open file: gRPC may close its own meanwhile, and its number may be another's then."""
    duplicate = os.dup(file)
    try:
        one = socket.socket(fileno=duplicate)
    except OSError:
        os.close(duplicate)
        raise
    with contextlib.closing(one):
        yield one


def _connected(files: Sequence[int], port: int) -> Iterator[tuple[str, int]]:
    """Every connection to `port` among these open files: its peer, and the file."""
    for file in files:
        # It is no socket, has no peer, or was closed meanwhile.
        with contextlib.suppress(OSError), _own(file) as one:
            if one.family in (socket.AF_INET, socket.AF_INET6) and one.getsockname()[1] == port:
                yield _peer(one), file


def _peer(one: socket.socket) -> str:
    host, port = one.getpeername()[:2]
    return named(host, port)


def _shut(file: int, peer: str) -> None:
    # It was closed meanwhile, by either side.
    with contextlib.suppress(OSError), _own(file) as one:
        if _peer(one) == peer:
            one.shutdown(socket.SHUT_RDWR)


def give_memory_back() -> None:
    """Give the system what the allocator keeps and nobody uses; nothing where the C library is not glibc."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)

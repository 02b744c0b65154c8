"""The connections of one m8 process: a limit for each door, a limit for each address, and which are closed first.

Each door accepts its connections and closes those above its own limit. gRPC has no limit for an address, and no
hook in which a program could refuse a connection. So this code lists the process's own sockets at the ports of both
doors ten times a second, and shuts down those that are too many (docs/adr/0017-before-login.md). It reads nothing that
a connection carries.

Connections without a login are shut down first, the oldest of them before the others: to log in takes a fraction of a
second.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import socket
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from monoskope import operating_log
from monoskope.host_port import peer_name
from monoskope.m8.limits.peers import origin

LOOK_S = 0.1
"""Seconds between two checks."""

CALM_S = 6.0
"""A flood is over when no connection was shut down for so long."""

_OPEN = "/dev/fd"
"""Where Linux and macOS list a process's open files. On Windows only the limit for all holds."""

_LISTED = Path(_OPEN).is_dir()

_MANY = 64
"""When so many files have been closed since there were most, the memory of connections is worth giving back."""

_FREE = 4
"""One place in so many is kept free for new connections."""

_SPARED = 8
"""One place in so many is kept for the newest connections without a login."""


class _Known(NamedTuple):
    """A connection: its peer, and the door's port. A peer may use one port of its own for both doors."""

    peer: str
    port: int
    origin: str
    """What counts as its peer's address. It follows from `peer`, and is kept because to find it out takes long."""


class _File(NamedTuple):
    """An open file: which one it is, for another may get its number later, and the connection that it is."""

    device: int
    inode: int
    known: _Known | None


class Connections:
    """Keeps the connections of this process within the limits.

    Args:
        most: Connections of one door at a time. The doors are apart, so that who fills one keeps nobody from the other.
        each: Connections of one address at a time, at all doors together.
        proved: Called with the address of each connection that has proven itself.
    """

    def __init__(self, most: int, each: int, proved: Callable[[str], None] = lambda _: None) -> None:
        self.most = most
        self._each = each
        self._proved = proved
        self._proven: set[str] = set()
        self._known: dict[_Known, None] = {}
        self._files: dict[int, _File] = {}
        self._disturbed_at: float | None = None
        self._shut = 0
        self._peak = 0
        self._ports: frozenset[int] = frozenset()

    def count(self) -> int:
        """Return how many connections are open now. It asks the system about every open file: call it in a thread."""
        return len(_connected(_named(_open_files(), {}), self._ports)) if self._ports and _LISTED else 0

    def prove(self, peer: str) -> None:
        """Remember that the peer, as `host_port.peer_name` calls it, has logged in or shown a valid token."""
        if peer not in self._proven:
            self._proven.add(peer)
            self._proved(origin(peer))

    def disturbed(self) -> None:
        """Note a flood: when it is over, its memory is given back to the system."""
        self._disturbed_at = time.monotonic()

    @property
    def is_disturbed(self) -> bool:
        """Whether a flood was noted, and its memory not given back yet."""
        return self._disturbed_at is not None

    async def run(self, *ports: int) -> None:
        """Check the connections to all of `ports` together until cancelled."""
        self._ports = frozenset(ports)
        if not _LISTED:
            return
        while True:
            await asyncio.sleep(LOOK_S)
            self.look(*ports)
            if self._disturbed_at is not None and time.monotonic() - self._disturbed_at >= CALM_S:
                self._disturbed_at = None
                if self._shut:
                    operating_log.get().warning("connections shut", connections=self._shut)
                    self._shut = 0
                await asyncio.to_thread(give_memory_back)

    def look(self, *ports: int) -> None:
        """Shut down the connections that are too many, once."""
        files = _open_files()
        self._notice(len(files))
        if len(files) <= self._each and len(self._proven) <= self.most:
            return
        self._files = _named(files, self._files)
        found = _connected(self._files, ports)
        self._known = {one: None for one in (*self._known, *found) if one in found}
        self._proven &= {one.peer for one in found}
        for one in self._too_many():
            self._shut += 1
            self.disturbed()
            _shut(found[one], one)

    def _notice(self, files: int) -> None:
        """Note that a crowd has left, which no limit had to send away."""
        self._peak = max(self._peak, files)
        if files <= self._peak - _MANY:
            self._peak = files
            self.disturbed()

    def _too_many(self) -> set[_Known]:
        """Return the connections to shut down.

        First those above the limit of their address, then ones without a login until each door has enough free places.
        Where a door has more than its places all the same, the newest, as if it had not let them in: the servers of the
        gRPC door may let in more.
        """
        by_origin: dict[str, list[_Known]] = {}
        for one in self._known:
            by_origin.setdefault(one.origin, []).append(one)
        going: set[_Known] = set()
        for ones in by_origin.values():
            if len(ones) > self._each:
                going.update(self._in_turn(ones)[: len(ones) - self._each])
        for port in {one.port for one in self._known}:
            left = [one for one in self._known if one.port == port and one not in going]
            strangers = [one for one in left if one.peer not in self._proven]
            above = len(left) - (self.most - self.most // _FREE)
            # The newest are spared: while many are logged in, nobody else would have the time to log in.
            going.update(strangers[: max(0, min(above, len(strangers) - self.most // _SPARED))])
            staying = [one for one in left if one not in going]
            going.update(staying[self.most :])
        return going

    def _in_turn(self, ones: Sequence[_Known]) -> list[_Known]:
        """Sort for shutting down: without a login, oldest first; then logged in, newest first."""
        strangers = [one for one in ones if one.peer not in self._proven]
        return strangers + [one for one in reversed(ones) if one.peer in self._proven]


def _open_files() -> list[int]:
    try:
        return [int(name) for name in os.listdir(_OPEN)]  # noqa: PTH208 - ten times a second
    except OSError:
        # No file descriptor is left to list the others with. The next check tries again.
        return []


@contextlib.contextmanager
def _borrowed(file: int) -> Iterator[socket.socket]:
    """Yield an open file as a socket, and close nothing. Raises `OSError` if it is none.

    No duplicate is made: closing one drops every lock that SQLite holds on the same file. Then the next process that
    ends would take the write-ahead log away, and events with it.
    """
    one = socket.socket(fileno=file)
    try:
        yield one
    finally:
        one.detach()


def _named(files: Sequence[int], before: Mapping[int, _File]) -> dict[int, _File]:
    """Return what each open file is, by `before` where it is there: the names of thousands take a tenth of a second."""
    found = {}
    for file in files:
        with contextlib.suppress(OSError):  # closed meanwhile
            status = os.fstat(file)
            one = before.get(file)
            if one is None or (one.device, one.inode) != (status.st_dev, status.st_ino):
                one = _File(status.st_dev, status.st_ino, _connection(file))
            found[file] = one
    return found


def _connected(files: Mapping[int, _File], ports: Collection[int]) -> dict[_Known, int]:
    """Return each connection to one of the `ports` among these open files, and its file."""
    return {one.known: file for file, one in files.items() if one.known is not None and one.known.port in ports}


def _connection(file: int) -> _Known | None:
    """Return the connection that an open file is, None if it is none."""
    # The file is no socket, has no peer, or was closed meanwhile.
    with contextlib.suppress(OSError), _borrowed(file) as one:
        if one.family in (socket.AF_INET, socket.AF_INET6):
            peer = _peer(one)
            return _Known(peer, one.getsockname()[1], origin(peer))
    return None


def _peer(one: socket.socket) -> str:
    host, port = one.getpeername()[:2]
    return peer_name(host, port)


def _shut(file: int, known: _Known) -> None:
    # Either side may have closed it meanwhile.
    with contextlib.suppress(OSError), _borrowed(file) as one:
        if _peer(one) == known.peer and one.getsockname()[1] == known.port:
            one.shutdown(socket.SHUT_RDWR)


def give_memory_back() -> None:
    """Give unused memory of the allocator back to the system. Does nothing unless the C library is glibc."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)

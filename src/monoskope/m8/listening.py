"""The addresses on which m8 listens: whether one is free, that it is ours alone, and how it is told that one is not."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from monoskope.errors import UnavailableError
from monoskope.host_port import HostPort

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_TABLES = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
"""The sockets of this network namespace (proc(5))."""

_LISTENS = "0A"
"""The state TCP_LISTEN, as Linux writes it there."""

_ALL_OF_IPV4 = ipaddress.IPv4Address(0)
_ALL = ipaddress.IPv6Address(0)


def require_free(listen: HostPort, setting: str) -> None:
    """Check that nobody listens at `listen` now, before anything is changed for a server that could not start.

    Raises:
        UnavailableError: somebody does, or the address is not this machine's; names the `setting`.
    """
    try:
        found = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in found:
            with socket.socket(family, kind, protocol) as trial:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                trial.bind(address)
    except OSError as error:
        raise taken(str(listen), setting, error) from None


def can_share() -> bool:
    """Whether several servers can share an address, and `require_alone` can see who else does.

    Only Linux spreads the connections of one address over several servers.
    """
    if sys.platform != "linux":
        return False
    found = [path for path in _TABLES if path.exists()]  # without IPv6 there is one
    return bool(found) and all(os.access(path, os.R_OK) for path in found)


def require_alone(address: str, port: int) -> None:
    """Check that no other process of this user listens at `port` where this one does.

    Servers share an address by SO_REUSEPORT, which lets in others of the same user, and of no other. Each m8 looks when
    its servers are bound: so the later one of two sees the other, however each of them spells the address.

    Raises:
        UnavailableError: another process does, or our own servers are not seen; names the `address`.
    """
    own = set(_own_sockets())
    ours: set[_Address] = set()
    others: set[_Address] = set()
    for host, inode in _listening(port):
        (ours if inode in own else others).add(host)
    if not ours or any(_overlap(one, other) for one in ours for other in others):
        raise taken(address, "listen")


def _own_sockets() -> Iterator[int]:
    """Yield the inode of each open socket of this process."""
    for file in os.listdir("/proc/self/fd"):  # noqa: PTH208 - their names are numbers
        with contextlib.suppress(OSError):  # closed meanwhile
            status = os.fstat(int(file))
            if stat.S_ISSOCK(status.st_mode):
                yield status.st_ino


def _listening(port: int) -> Iterator[tuple[_Address, int]]:
    """Yield the address and the inode of each socket of this user that listens at `port`."""
    user = str(os.geteuid())
    for table in _TABLES:
        with contextlib.suppress(FileNotFoundError):  # no IPv6
            for line in table.read_text().splitlines()[1:]:
                _, local, _, state, _, _, _, uid, _, inode, *_ = line.split()
                host, _, found = local.partition(":")
                if state == _LISTENS and uid == user and int(found, 16) == port:
                    yield _address(host), int(inode)


def _address(text: str) -> _Address:
    """Return the address that Linux writes as 32-bit words in the byte order of the machine."""
    words = [int(text[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(text), 8)]
    if len(words) == 1:
        return ipaddress.IPv4Address(words[0])
    found = ipaddress.IPv6Address(b"".join(words))
    return found.ipv4_mapped or found


def _overlap(one: _Address, other: _Address) -> bool:
    """Whether a connection could come to both. `::` may take connections of IPv4, too: Linux does not show it."""
    if one == other:
        return True
    either = {one, other}
    return _ALL in either or (_ALL_OF_IPV4 in either and one.version == other.version)


def taken(address: str, setting: str, why: OSError | None = None) -> UnavailableError:
    """Return the error about an address of a `setting` that cannot be listened on; `why`, if the system said it."""
    fix = f"Stop what listens there, or change `{setting}` in m8.toml."
    # asyncio of newer Pythons has no number for it.
    if why is not None and why.errno in {errno.EADDRNOTAVAIL, None}:
        fix = f"That is no address of this machine: change `{setting}` in m8.toml."
    elif why is not None and why.errno == errno.EACCES:
        fix = f"Only root may listen there: change `{setting}` in m8.toml to a port from 1024."
    return UnavailableError(f"m8 cannot listen on {address}.", fix=fix)

"""The addresses on which m8 listens: whether one is free, that it stays ours, and how it is told that one is not."""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
from collections.abc import Iterator

from monoskope.errors import UnavailableError
from monoskope.host_port import HostPort


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


@contextlib.contextmanager
def claim(listen: HostPort, setting: str) -> Iterator[None]:
    """Keep other m8 of this machine from `listen` as long as the block runs, while several servers of ours share it.

    Several servers share an address by SO_REUSEPORT, and Linux lets others of the same user join them. Who listens
    already is noticed; two m8 that start at once are told apart by a name in Linux's abstract namespace, which is the
    network's as ports are, and which the system takes back when a process ends. Port 0 needs no claim.

    Raises:
        UnavailableError: somebody listens there, or is about to; names the `setting`.
    """
    if listen.port == 0 or sys.platform != "linux":
        yield
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as name:
        try:
            name.bind(f"\0monoskope/m8/{listen}")
        except OSError as error:
            raise taken(str(listen), setting, error) from None
        require_free(listen, setting)
        yield


def taken(address: str, setting: str, why: OSError | None = None) -> UnavailableError:
    """Return the error about an address of a `setting` that cannot be listened on; `why`, if the system said it."""
    fix = f"Stop what listens there, or change `{setting}` in m8.toml."
    if why is not None and why.errno == errno.EADDRNOTAVAIL:
        fix = f"That is no address of this machine: change `{setting}` in m8.toml."
    elif why is not None and why.errno == errno.EACCES:
        fix = f"Only root may listen there: change `{setting}` in m8.toml to a port from 1024."
    return UnavailableError(f"m8 cannot listen on {address}.", fix=fix)

"""The addresses on which m8 listens: whether one is free, and how it is told that one is not."""

from __future__ import annotations

import errno
import socket

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


def taken(address: str, setting: str, why: OSError | None = None) -> UnavailableError:
    """Return the error about an address of a `setting` that cannot be listened on; `why`, if the system said it."""
    fix = f"Stop what listens there, or change `{setting}` in m8.toml."
    if why is not None and why.errno == errno.EADDRNOTAVAIL:
        fix = f"That is no address of this machine: change `{setting}` in m8.toml."
    elif why is not None and why.errno == errno.EACCES:
        fix = f"Only root may listen there: change `{setting}` in m8.toml to a port from 1024."
    return UnavailableError(f"m8 cannot listen on {address}.", fix=fix)

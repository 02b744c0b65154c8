"""The addresses on which m8 listens: whether one is free, and how it is told that one is not."""

from __future__ import annotations

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
    except OSError:
        raise taken(str(listen), setting) from None


def taken(address: str, setting: str) -> UnavailableError:
    """Return the error about an address of a `setting` that cannot be listened on."""
    return UnavailableError(
        f"m8 cannot listen on {address}.", fix=f"Stop what listens there, or change `{setting}` in m8.toml."
    )

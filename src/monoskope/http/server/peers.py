"""The peer of a connection: its name, and how the system finds out that its machine is gone."""

from __future__ import annotations

import socket

from monoskope.host_port import peer_name

_PROBES = (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))


def named(peer: object) -> str:
    """Return the name of a peer as `host_port.peer_name` has it, from what a transport calls `peername`."""
    return peer_name(peer[0], peer[1]) if isinstance(peer, tuple) else "unix:"


def probe(connection: socket.socket | None) -> None:
    """Let the system find out when the other machine is gone without a word."""
    if connection is None or connection.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    for name, value in _PROBES:
        option = getattr(socket, name, None)
        if option is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

"""What counts as one address of a connection's peer, whom `host_port.peer_name` names, in limits by address."""

from __future__ import annotations

import ipaddress
import re

_PEER = re.compile(r"ipv[46]:(?:%5B)?(?P<host>[^%]+)(?:%5D)?:(?P<port>[0-9]+)")


def origin(peer: str) -> str:
    """Return what counts as one address for the limits: an IPv4 address, or the first 64 bits of an IPv6 address.

    Who has one IPv6 address usually has all with those 64 bits. A peer that is neither counts by its own name.
    """
    match = _PEER.fullmatch(peer)
    if match is None:
        return peer
    address = _parsed(match["host"])
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
    return str(address)


def _parsed(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | str:
    """Return the IP address that `host` is, an IPv4-mapped IPv6 address as IPv4; `host` itself if it is none."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address

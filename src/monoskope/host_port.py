"""`host:port`: parsed, checked and shown here alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from monoskope.errors import UsageError

_HOST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}", re.ASCII)
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)


@dataclass(frozen=True, slots=True)
class HostPort:
    """A host name or IP address, and a port from 0 to 65,535."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `host:port`, or `[address]:port` for IPv6. Raises `UsageError` that states the rule."""
        host, _, port = text.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            host = ""
        if not is_host(host) or _PORT.fullmatch(port) is None or int(port) > 65_535:
            raise UsageError(f"{text!r} is not host:port.", fix="Write for example 127.0.0.1:7443 or [::1]:7443.")
        return cls(host, int(port))

    def at(self, port: int) -> Self:
        """Return this address with `port` in place of port 0."""
        return self if self.port else type(self)(self.host, port)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_host(text: str) -> bool:
    """Whether `text` is an IP address or a host name."""
    if ":" not in text:
        return _HOST_NAME.fullmatch(text) is not None
    import ipaddress  # noqa: PLC0415 - only IPv6 needs it, and `monoctl` starts faster without

    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def peer_name(host: str, port: int) -> str:
    """Return what gRPC, and so every part of m8, calls the peer whose socket says that it is at `host` and `port`.

    An IPv4-mapped IPv6 address is named as IPv4.
    """
    import ipaddress  # noqa: PLC0415 - only servers need it

    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"ipv4:{host}:{port}"
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        return f"ipv6:%5B{host}%5D:{port}" if mapped is None else f"ipv4:{mapped}:{port}"
    return f"ipv4:{address}:{port}"


def check_server(text: str) -> str:
    """Return the `host:port` of a server to dial, in lower case. Raises `UsageError` that states the rule."""
    try:
        found = HostPort.parse(text)
    except UsageError:
        found = HostPort("", 0)
    # One spelling for each port, and no zone of an IPv6 address, which could be any text.
    if found.port == 0 or str(found) != text or "%" in text:
        raise UsageError(f"server {text!r} is not valid: host:port.", fix="Write it as in m8.example.org:7443.")
    return text.lower()


MOST_SERVERS = 16
"""Servers in a list, at most."""


def check_servers(text: str) -> tuple[str, ...]:
    """Return the servers of a list with commas: each as `check_server` returns it. Raises `UsageError`."""
    parts = text.split(",")
    servers = tuple(check_server(part.strip() if len(parts) > 1 else part) for part in parts)
    for server in servers:
        if servers.count(server) > 1:
            raise UsageError(f"server {server!r} is named twice.", fix="Name each server once.")
    if len(servers) > MOST_SERVERS:
        raise UsageError(f"{len(servers)} servers are named, {MOST_SERVERS} at most.", fix="Name fewer.")
    return servers

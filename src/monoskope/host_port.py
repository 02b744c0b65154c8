"""`host:port`, the names of servers, and addresses of HTTPS: parsed, checked and shown here alone."""

from __future__ import annotations

import re
from typing import Self

from monoskope.errors import UsageError
from monoskope.lazy import pattern
from monoskope.value import Value

_HOST_NAME = pattern(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}", re.ASCII)
_PORT = pattern(r"[0-9]{1,5}", re.ASCII)
_EXAMPLES = "127.0.0.1:7443 or [::1]:7443"


class HostPort(Value, frozen=True):
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
            scheme, divider, _ = text.partition("://")
            left_out = f"Leave out {scheme}{divider}, and write" if divider else "Write"
            raise UsageError(f"{text!r} is not host:port.", fix=f"{left_out} for example {_EXAMPLES}.")
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
    """Return what m8 calls the peer whose socket says that it is at `host` and `port`: `host:port`.

    An IPv4-mapped IPv6 address is named as IPv4.
    """
    return str(HostPort(host.removeprefix("::ffff:") if "." in host else host, port))


HTTPS = "https://"
DEFAULT_PORT = 7443
"""The port of a server whose name has none."""


def parse_server(text: str) -> HostPort:
    """Return the server that a user names `host:port` or `https://host:port`, which mean the same.

    The name may be in any case and without the port; each server has one spelling. Raises `UsageError`.
    """
    rest = text.lower().removeprefix(HTTPS)
    named = rest if has_port(rest) else f"{rest}:{DEFAULT_PORT}"
    try:
        found = HostPort.parse(named)
    except UsageError:
        found = HostPort("", 0)
    # One spelling for each port, no zone of an IPv6 address, which could be any text, and no letter outside of
    # ASCII, whose lower case may be inside.
    if found.port == 0 or str(found) != named or "%" in rest or not text.isascii():
        # What stands before an @ may hold a password.
        shown = f"server {text!r}" if "@" not in text else "a server with a login"
        raise UsageError(f"{shown} is not valid: host:port, or https://host:port.", fix=f"{_fix(text, rest)}.")
    return found


_WRITTEN = f"Write it as in m8.example.org:{DEFAULT_PORT}"


def has_port(text: str) -> bool:
    """Whether a port stands behind a host, which may be an IPv6 address in brackets."""
    return ":" in text.rpartition("]")[2]


def _fix(text: str, rest: str) -> str:
    """Return what to write in the place of `text`, which is `rest` without its scheme."""
    if "@" in text:
        return f"Leave out the login, since m8 knows its callers by tokens. {_WRITTEN}"
    if text.split() != [text]:
        return f"Leave out spaces, and write commas between several. {_WRITTEN}"
    if "://" in rest:
        return f"m8 speaks HTTPS alone: write https://, or nothing, before host:port. {_WRITTEN}"
    host, slash, _ = rest.partition("/")
    if ":" in host and not host.startswith("[") and is_host(host):
        return f"Write an IPv6 address in brackets, as in [::1]:{DEFAULT_PORT}"
    return f"Leave out the path: {host}" if slash and host else _WRITTEN


def check_server(text: str) -> str:
    """Return the name of a server to dial as `host:port`. Raises as `parse_server`."""
    return str(parse_server(text))


def is_server(text: str) -> bool:
    """Whether `text` is the name of a server in its one spelling."""
    try:
        return check_server(text) == text
    except UsageError:
        return False


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


_ORIGIN = pattern(r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9][a-z0-9.-]*)(?::([0-9]{1,5}))?", re.ASCII)


def is_origin(text: str) -> bool:
    """Whether a browser can send `text` as the origin of a page over HTTPS, or of a page of this machine."""
    match = _ORIGIN.fullmatch(text)
    if match is None:
        return False
    scheme, host, port = match[1], match[2].strip("[]"), match[3]
    usual = "443" if scheme == "https" else "80"  # browsers leave it out
    if not is_host(host) or (port is not None and (port == usual or port[0] == "0" or int(port) > 65_535)):
        return False
    # Without TLS the network could change the page.
    return scheme == "https" or host == "localhost" or _is_loopback(host)


def _is_loopback(host: str) -> bool:
    import ipaddress  # noqa: PLC0415 - only servers need it

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


_URL = pattern(
    r"https://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9.-]*)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[A-Za-z0-9._~%:@!$&'()*+,;=/-]*)?(?P<query>\?[A-Za-z0-9._~%:@!$&'()*+,;=/?-]*)?",
    re.ASCII,
)
MAX_URL = 255
"""Characters of an address at most."""


class HttpsUrl(Value, frozen=True):
    """An address of HTTPS, without a login and without a fragment."""

    host: str
    """In lower case."""
    port: int
    target: str
    """The path, with the query."""

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the address that `text` is, None if it is none."""
        match = _URL.fullmatch(text)
        if match is None or len(text) > MAX_URL:
            return None
        host, port = match["host"].removeprefix("[").removesuffix("]").lower(), match["port"] or "443"
        if not is_host(host) or not 1 <= int(port) <= 65_535:
            return None
        return cls(host, int(port), (match["path"] or "/") + (match["query"] or ""))

    @property
    def has_query(self) -> bool:
        """Whether it has a query."""
        return "?" in self.target

    @property
    def server(self) -> HostPort:
        """The server, without the path."""
        return HostPort(self.host, self.port)


def serves(own: str, dialled: str) -> bool:
    """Whether every server that is dialled is one of `own`; both are lists with commas, in any spelling."""
    return set(_spelled(dialled)) <= set(_spelled(own))


def same_servers(one: str, other: str) -> bool:
    """Whether two lists with commas, in any spelling, name the same servers in the same order."""
    return _spelled(one) == _spelled(other)


def _spelled(servers: str) -> list[str]:
    """Return each server in its one spelling; what is none as it is."""
    found = []
    for name in servers.split(","):
        try:
            found.append(check_server(name.strip()))
        except UsageError:
            found.append(name.strip())
    return found

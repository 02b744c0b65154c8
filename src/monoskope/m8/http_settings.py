"""The settings of m8's HTTP door: where it listens, by which names it is dialled, and which web pages may call."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from monoskope.errors import UsageError
from monoskope.host_port import HostPort, is_host

MOST_ORIGINS = 64
"""Origins at most."""

_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9][a-z0-9.-]*)(?::(?P<port>[0-9]{1,5}))?")
_EXAMPLE = "127.0.0.1:7480"
_USUAL_PORTS = {"https": 443, "http": 80}


class HasHttp(Protocol):
    """A settings file with the fields that this module reads."""

    @property
    def http_listen(self) -> str:
        """Where to listen."""

    @property
    def operations_listen(self) -> str:
        """Where m8 answers its operators."""

    @property
    def http_names(self) -> tuple[str, ...]:
        """The names by which the door is dialled."""

    @property
    def http_origins(self) -> tuple[str, ...]:
        """The web pages that may call."""


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """The checked settings of the door.

    Attributes:
        listen: Where it listens; port 0 takes a free one.
        names: By which it is dialled; port 0 means the bound one.
        origins: The web pages that may call, as browsers name them.
    """

    listen: HostPort
    names: tuple[HostPort, ...]
    origins: frozenset[str] = frozenset()


def checked(file: HasHttp, path: Path, listen: HostPort, names: Sequence[HostPort]) -> HttpSettings | None:
    """Return what `m8.toml`, which is at `path`, says of the HTTP door; None if there is none.

    Args:
        file: What it says.
        path: Where it is.
        listen: Where gRPC listens.
        names: By which gRPC is dialled.

    Raises:
        UsageError: a field breaks its rule, or means nothing without the door; names the field.
    """
    if not file.http_listen:
        for field in ("http_names", "http_origins"):
            if getattr(file, field):
                raise UsageError(
                    f"{path}: {field} has no meaning without http_listen.",
                    fix=f'Say where the door listens, for example http_listen = "{_EXAMPLE}", or leave {field} out.',
                )
        return None
    found = address(path, "http_listen", file.http_listen)
    if found == listen and found.port:
        raise UsageError(
            f"{path}: http_listen and listen are the same address, {found}.", fix="Give each a port of its own."
        )
    if file.operations_listen == str(found) and found.port:
        raise UsageError(
            f"{path}: http_listen and operations_listen are the same address, {found}.",
            fix="Give each a port of its own.",
        )
    dialled = [address(path, "http_names", name) for name in file.http_names]
    return HttpSettings(
        listen=found,
        names=tuple(dialled) or tuple(dict.fromkeys(HostPort(name.host, found.port) for name in names)),
        origins=_origins(path, file.http_origins),
    )


def address(path: Path, field: str, text: str) -> HostPort:
    """Return the address that `field` of the settings at `path` names. Raises `UsageError` that names both."""
    try:
        return HostPort.parse(text)
    except UsageError as error:
        raise UsageError(f"{path}: {field}: {error.message}", fix=error.fix) from None


def _origins(path: Path, given: Sequence[str]) -> frozenset[str]:
    if len(given) > MOST_ORIGINS:
        raise UsageError(f"{path}: http_origins names more than {MOST_ORIGINS} origins.", fix="Name fewer.")
    for text in given:
        if not _is_origin(text):
            raise UsageError(
                f"{path}: http_origins: {text!r} is not the origin of a page over HTTPS, or of one on this machine.",
                fix="Write what the browser sends, in lower case and without a path: https://app.example.com",
            )
    return frozenset(given)


def _is_origin(text: str) -> bool:
    """Whether a browser can send `text` as an origin, and what it names cannot be changed on the network."""
    match = _ORIGIN.fullmatch(text)
    if match is None:
        return False
    host, port = match["host"].strip("[]"), match["port"]
    if not is_host(host):
        return False
    if port is not None and (str(int(port)) != port or not 0 < int(port) < 65_536):
        return False
    if port is not None and int(port) == _USUAL_PORTS[match["scheme"]]:  # browsers leave it out
        return False
    return match["scheme"] == "https" or _is_local(host)


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

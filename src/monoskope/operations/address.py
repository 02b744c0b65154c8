"""The setting `operations_listen`: a loopback address, a Unix socket, or none."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import TypeAlias

from monoskope.errors import UsageError
from monoskope.host_port import HostPort

UNIX = "unix:"
"""How the path of a Unix socket begins."""

_MOST_PATH = 100
"""Bytes of a socket's path at most: systems allow little more."""

_FIX = 'Write for example 127.0.0.1:7444, [::1]:7444 or unix:operations.sock; "" switches the listener off.'

Address: TypeAlias = HostPort | Path


def parse(text: str, *, folder: Path) -> Address | None:
    """Return where to listen, None for "". The path of a Unix socket is relative to `folder`.

    What the listener says needs no credential, so nobody on another machine may ask it.

    Raises:
        UsageError: it is neither `address:port` with a loopback address nor `unix:path`.
    """
    if not text:
        return None
    if text.startswith(UNIX):
        path = folder / text.removeprefix(UNIX)
        if path == folder or "\0" in text or len(bytes(path)) > _MOST_PATH:
            raise UsageError(f"{text!r} is no path of a Unix socket of at most {_MOST_PATH} bytes.", fix=_FIX)
        return path
    try:
        found = HostPort.parse(text)
        is_loopback = ipaddress.ip_address(found.host).is_loopback
    except (UsageError, ValueError):
        raise UsageError(f"{text!r} is neither address:port nor unix:path.", fix=_FIX) from None
    if not is_loopback:
        raise UsageError(f"{text!r} is not a loopback address.", fix=_FIX)
    return found


def setting(text: str, file: Path) -> Address | None:
    """Return what `operations_listen` of the settings in `file` says. Raises `UsageError` that names both."""
    try:
        return parse(text, folder=file.parent)
    except UsageError as error:
        raise UsageError(f"{file}: operations_listen: {error.message}", fix=error.fix) from None

"""The proxy through which a server is reached, by the environment variables that curl reads, too."""

from __future__ import annotations

import os
from collections.abc import Mapping

from monoskope.errors import UsageError
from monoskope.host_port import HostPort, is_host
from monoskope.http.client.destination import Proxy

VARIABLES = ("https_proxy", "HTTPS_PROXY")
"""Name the proxy, the first that is set: `http://host:port`, with `user:password@` before the host if it asks."""
_EXCEPT = ("no_proxy", "NO_PROXY")
"""Name the hosts that are dialled directly, with commas between them; a name stands for all names below it, too."""
_SCHEME = "http://"


def proxy_for(host: str, environ: Mapping[str, str] = os.environ) -> tuple[str, Proxy] | None:
    """Return the variable that names a proxy for `host`, and the proxy; None to dial it directly.

    Raises:
        UsageError: the variable names no proxy that can be used.
    """
    name = next((name for name in VARIABLES if environ.get(name)), None)
    if name is None or _is_exempt(host, next((environ[one] for one in _EXCEPT if environ.get(one)), "")):
        return None
    return name, _parsed(name, environ[name])


def _is_exempt(host: str, exempt: str) -> bool:
    names = [name.strip().lower().lstrip(".") for name in exempt.split(",")]
    return "*" in names or any(name and (host == name or host.endswith(f".{name}")) for name in names)


def _parsed(name: str, text: str) -> Proxy:
    # It is not shown: it may hold a password.
    wrong = UsageError(f"{name} names no proxy that can be used.", fix="Write http://host:port, or unset it.")
    rest = text if "://" not in text else text[len(_SCHEME) :] if text.lower().startswith(_SCHEME) else ""
    login, _, address = rest.rstrip("/").rpartition("@")
    try:
        at = HostPort.parse(address if _has_port(address) else f"{address}:1080")
    except UsageError:
        raise wrong from None
    if at.port == 0 or not is_host(at.host):
        raise wrong
    return Proxy(at.host, at.port, _basic(login, wrong) if login else "")


def _has_port(address: str) -> bool:
    return ":" in address.rpartition("]")[2]


def _basic(login: str, wrong: UsageError) -> str:
    from base64 import b64encode  # noqa: PLC0415 - few proxies ask
    from urllib.parse import unquote  # noqa: PLC0415

    user, _, password = login.partition(":")
    try:
        return f"Basic {b64encode(f'{unquote(user)}:{unquote(password)}'.encode()).decode('ascii')}"
    except UnicodeError:
        raise wrong from None

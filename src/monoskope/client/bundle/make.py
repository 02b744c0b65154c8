"""What a colleague needs, as its maker has it: from their own pins and settings, never from what m8 says now."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from monoskope.client.known.logs import NAME, KnownLogs, LogPin
from monoskope.client.known.sources import check_environment
from monoskope.client.known.stores import SYSTEM_FILE, KnownStores
from monoskope.client.known.table import LOGIN_FIELDS, Setting
from monoskope.errors import UsageError
from monoskope.host_port import check_servers
from monoskope.protocol.bundle import Bundle, Log, Login, certificates_in

_BESIDES = "Then make the bundle again."


def make(found: Mapping[str, Setting], contact: str, *, ca: str = "") -> Bundle:
    """Return the bundle for one m8.

    Args:
        found: The settings in effect, a server among them.
        contact: Whom a newcomer asks.
        ca: The server's authority, if it is given as text.

    Raises:
        UsageError: something is missing, and the message names the command that gets it; or a file is malformed.
        RefusedError: others can reach a file of pins.
    """
    check_environment(found, LOGIN_FIELDS, os.environ)
    servers = check_servers(found["server"].value)
    path = Path(found["known_stores"].value) if "known_stores" in found else None
    pins = KnownStores(path, servers=servers).read()
    stores = {store: identity for (server, store), identity in pins.identities.items() if server == servers[0]}
    if not stores:
        raise UsageError(
            f"no store of {servers[0]} is pinned on this machine.",
            fix="Run `monoctl verify secret STORE://PATH` for each store: it shows the identity, and asks whether it is"
            f" the one that the store's operator says. {_BESIDES}",
        )
    return Bundle(
        servers=servers,
        contact=contact,
        ca=certificates_in(ca) if ca else _authorities(found, "ca_file"),
        login=_login(found, servers[0]),
        log=_log(found, servers, path),
        default_store=_default(pins.defaults.get(servers[0], ""), stores),
        stores=stores,
    )


def _default(name: str, stores: Mapping[str, str]) -> str:
    """Return the pinned default store, "" if its identity is not pinned."""
    return name if name in stores else ""


def _login(found: Mapping[str, Setting], server: str) -> Login:
    for name in ("login_issuer", "login_client_id"):
        if name not in found:
            raise UsageError(
                f"no {name} is configured for {server}.",
                fix=f"Run `monoctl config set {name} VALUE`; `[[issuers]]` in m8.toml has it. {_BESIDES}",
            )
    texts = {
        name: found[f"login_{name}"].value
        for name in ("issuer", "client_id", "audience", "scopes", "hosts")
        if f"login_{name}" in found
    }
    return Login(**texts, ca=_authorities(found, "login_ca_file"))


def _log(found: Mapping[str, Setting], servers: Sequence[str], path: Path | None) -> Log:
    known = KnownLogs(path and path.with_name(NAME), system=SYSTEM_FILE.with_name(NAME), servers=servers)
    pin: LogPin | None = known.pin(servers[0])
    if pin is None:
        raise UsageError(
            f"no log of {servers[0]} is pinned on this machine.",
            fix=f"Run `monoctl get log`, and compare its keys with what `m8 log key` prints on the server. {_BESIDES}",
        )
    quorum = found["log_quorum"].value if "log_quorum" in found else "0"
    from monoskope.client.known.demand import quorum as checked  # noqa: PLC0415 - few make a bundle

    return Log(pin.vkeys, _words(found, "log_witnesses"), checked(quorum, "log_quorum"))


def _words(found: Mapping[str, Setting], name: str) -> tuple[str, ...]:
    return tuple(found[name].value.split()) if name in found else ()


def _authorities(found: Mapping[str, Setting], name: str) -> tuple[str, ...]:
    """Return the certificates in the file that a setting names, () if there is no such setting."""
    if name not in found:
        return ()
    try:
        return certificates_in(Path(found[name].value).read_text("ascii", "replace"))
    except OSError as error:
        raise UsageError(
            f"{name}: {found[name].value} cannot be read: {error.strerror}.", fix="Name the file that holds it."
        ) from None

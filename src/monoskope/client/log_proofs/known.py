"""What this machine knows already of a proof's log and store, so that a proof can be checked without a server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from monoskope.client.known_logs import KnownLogs
from monoskope.client.known_stores import KnownStores
from monoskope.errors import UsageError
from monoskope.text import escape

_FIX = "Give both `log_vkeys` as the log's operator published them."


def servers_of(origin: str, known: KnownLogs) -> dict[str, tuple[str, str]]:
    """Return the servers that serve the log `origin`, each with the log's verifier keys. Raises as `KnownLogs.pin`."""
    return {server: pin.vkeys for server, pin in known.logs().items() if pin.origin == origin}


def vkeys_of(origin: str, known: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
    """Return the verifier keys of the log `origin`.

    Raises:
        UsageError: none are known, or several servers have different ones.
    """
    found = set(known.values())
    if not found:
        raise UsageError(f"the proof is of the log {escape(origin)}, and this machine knows no keys of it.", fix=_FIX)
    if len(found) > 1:
        raise UsageError(f"this machine knows different keys of the log {escape(origin)}.", fix=_FIX)
    return found.pop()


def identities_at(servers: Iterable[str], known: KnownStores) -> dict[str, str]:
    """Return the pinned identity of each store of `servers`.

    Raises:
        UsageError: two servers have different identities for one store.
    """
    pins = known.read()
    found: dict[str, str] = {}
    wanted = frozenset(servers)
    for (server, store), identity in pins.identities.items():
        if server in wanted and found.setdefault(store, identity) != identity:
            raise UsageError(
                f"known_stores has two identities for the store {store!r}.",
                fix="Give the right one: `store_identity` STORE=SHA256:…",
            )
    return found

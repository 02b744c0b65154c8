"""`monoctl forget-store`: remove the pin of a store, as `ssh-keygen -R` removes a host's key."""

from __future__ import annotations

from pathlib import Path

import click

from monoskope.client.known.stores import KnownStores
from monoskope.client.settings import find
from monoskope.errors import UsageError
from monoskope.host_port import check_servers
from monoskope.monoctl.output import terminal
from monoskope.uri import check_store_name


@click.command(short_help="Forget the identity that you agreed to for a store.")
@click.argument("store", metavar="NAME")
@click.option("--server", metavar="SERVER", help="The m8 that the store belongs to [MONOCTL_SERVER].")
@click.option("--known-stores", metavar="FILE", help="The identities you trust; mode 0600 [MONOCTL_KNOWN_STORES].")
@click.option("--config", metavar="FILE", type=click.Path(path_type=Path), help="Your settings [MONOCTL_CONFIG].")
def forget_store(store: str, server: str | None, known_stores: str | None, config: Path | None) -> None:
    """Forget the identity that you agreed to for a store, as after a change that the store's operator confirmed.

    The command changes `known_stores` on this machine alone, and keeps the file as it was beside it. The next command
    that uses the store shows you the identity that the store has then, and asks whether you trust it.
    """
    check_store_name(store)
    found = find({"server": server, "known_stores": known_stores}, config=config)
    if "server" not in found:
        raise UsageError("no server is configured.", fix="Say --server HOST:PORT.")
    servers = check_servers(found["server"].value)
    at = servers[0]
    known = KnownStores(Path(found["known_stores"].value) if "known_stores" in found else None, servers=servers)
    identity, copy = known.forget(at, store)
    terminal.out(
        f"Store {store!r} of {at} is no longer pinned to {identity}.",
        f"The next command that uses it shows you its identity and asks. Compare it with what the operator of {store!r}"
        " says, by another way than m8.",
        f"The file as it was: {copy}",
    )
    still = known.identity(at, store)
    if still is not None:
        terminal.note(f"the administrator of this machine pins the store to {still}: that counts now.")

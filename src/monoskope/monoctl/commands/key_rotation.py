"""The rotation of the fingerprint key, and what its end does to reactors with another key, by m8's list of stores."""

from __future__ import annotations

from collections.abc import Iterable

import click

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client import Client
from monoskope.monoctl.options import CommandSession, connection_options
from monoskope.monoctl.output import terminal
from monoskope.times import instant


@command(short_help="Allow a second fingerprint key id.")
@click.argument("key_id")
@connection_options
def start(key_id: str, session: CommandSession) -> None:
    """Allow a second fingerprint key id, while reactors move to it."""
    session.run(lambda client: client.stores.start_fingerprint_key_rotation(key_id))
    terminal.out(f"m8 says: reactors may use fingerprint key {key_id} now.")


@command(short_help="Allow only the new fingerprint key id.")
@click.argument("key_id")
@click.option(
    "--force", is_flag=True, help="Also while attached reactors have another key. m8 shuts them out; see the question."
)
@click.option("--yes", is_flag=True, help="With --force: do not ask.")
@connection_options
def finish(key_id: str, session: CommandSession, *, force: bool, yes: bool) -> None:
    """Allow only the new fingerprint key id.

    m8 refuses this while an attached reactor has another key, and names it.
    """

    async def find(client: Client) -> list[views_pb2.SecretStore]:
        return [store async for store in client.queries.stores()]

    stores = session.run(find)
    if force:
        for sentence in _breaks(stores, key_id) or ["no attached reactor has another key."]:
            terminal.warn(sentence)
        terminal.agree(f"Allow the fingerprint key {key_id} alone?", yes=yes, otherwise="nothing was changed")
    session.run(lambda client: client.stores.finish_fingerprint_key_rotation(key_id, force=force))
    terminal.out(f"m8 says: fingerprint key {key_id} alone counts now.")
    for sentence in _left_behind(stores, key_id):
        terminal.warn(sentence)


def _breaks(stores: Iterable[views_pb2.SecretStore], key_id: str) -> list[str]:
    """Return a sentence for each store with attached reactors that would be shut out."""
    found = []
    for store in stores:
        there = [reactor for reactor in store.reactors if reactor.attached]
        old = [reactor for reactor in there if reactor.fingerprint_key_id != key_id]
        if old:
            names = ", ".join(reactor.replica.hex()[:8] for reactor in old)
            after = "every request to it ends UNAVAILABLE" if old == there else "its other reactors go on"
            found.append(f"{store.name}: m8 ends the sessions of {names} and refuses their logins; {after}.")
    return found


def _left_behind(stores: Iterable[views_pb2.SecretStore], key_id: str) -> list[str]:
    """Return a sentence for each store of which m8 last saw, with another key, reactors that are not attached now.

    A process has a new name after each start. So each attached reactor with the new key is taken for the successor of
    one that had another.
    """
    found = []
    for store in stores:
        moved = [reactor for reactor in store.reactors if reactor.attached and reactor.fingerprint_key_id == key_id]
        gone = [reactor for reactor in store.reactors if not reactor.attached and reactor.fingerprint_key_id != key_id]
        if len(gone) > len(moved):
            names = ", ".join(f"{one.replica.hex()[:8]} until {instant(one.last_heard_ms)}" for one in gone)
            found.append(
                f"store {store.name}: attached with the key {key_id}: {len(moved)}. Not attached now, and last seen"
                f" with another key: {names}. A reactor has a new name after each start, so some of these may be"
                " earlier starts of one that has moved. m8 refuses one that starts with the former key. Import the"
                " new key there first."
            )
    return found

"""What the end of a fingerprint key rotation does to reactors with another key, in words, from m8's list of stores."""

from __future__ import annotations

from collections.abc import Iterable

from monoskope.api.gateway.v1 import views_pb2
from monoskope.times import instant


def what_breaks(stores: Iterable[views_pb2.SecretStore], key_id: str) -> list[str]:
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


def left_behind(stores: Iterable[views_pb2.SecretStore], key_id: str) -> list[str]:
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

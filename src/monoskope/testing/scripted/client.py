"""A client for a scripted m8, and the search for a value in what that m8 received."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from types import SimpleNamespace

from monoskope.client import Client, ClientSettings, Signer
from monoskope.client.connection import Connection
from monoskope.client.known.stores import KnownStores
from monoskope.client.stores import Stores
from monoskope.testing.scripted.m8 import ScriptedM8

_SHOWN = 12


def token(subject: str) -> str:
    """Return a JWT that names `subject` and is not signed."""
    claims = base64.urlsafe_b64encode(json.dumps({"sub": subject}).encode()).decode().rstrip("=")
    return f"e30.{claims}.c2ln"


def pinned(m8: ScriptedM8, folder: Path) -> KnownStores:
    """Return pins in `folder` that hold every store of `m8` and its default."""
    known = KnownStores(folder / "known_stores", system=folder / "no_known_stores")
    for name, store in m8.stores.items():
        known.pin(m8.server, name, store.identity, replaces=None)
    known.pin_default(m8.server, m8.default)
    return known


def settings_for(m8: ScriptedM8, folder: Path, *, subject: str = "alice", **given: object) -> ClientSettings:
    """Return settings that dial `m8` with the pins in `folder`."""
    return ClientSettings(
        server=m8.server,
        ca_file=m8.ca_file,
        token=token(subject),
        known_stores=folder / "known_stores",
        **given,  # type: ignore[arg-type]
    )


def client_for(m8: ScriptedM8, folder: Path, *, signer: Signer | None = None, retry_for: float | None = None) -> Client:
    """Return a client that dials `m8` with the pins in `folder` and pauses for a millisecond only."""
    return Client(
        settings_for(m8, folder),
        signer=signer,
        system_known_stores=folder / "no_known_stores",
        pause_s=0.001,
        retry_for=retry_for,
    )


def stores_of(connection: Connection) -> Stores:
    """Return the commands for stores over a connection without a client."""
    return Stores(SimpleNamespace(connection=connection))  # type: ignore[arg-type]


def was_received(m8: ScriptedM8, value: bytes) -> bool:
    """Whether the first 12 bytes of `value` came to m8, as they are, in base64 at any offset, or in hex."""
    everything = b"".join(m8.received)
    start = value[:_SHOWN]
    forms = {start, start.hex().encode(), start.hex().upper().encode()}
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + start)
        forms.add(encoded[4 if offset else 0 : -4])
    return any(form in everything for form in forms)

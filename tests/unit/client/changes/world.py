"""Anna, who proposes, ben and eva, who approve, and an m8 between them that is scripted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from monoskope.api.gateway.v1 import changes_pb2
from monoskope.client import Client, KeySigner, Proposal
from monoskope.protocol.change import parse_change
from monoskope.testing.scripted.changes import approve
from monoskope.testing.scripted.client import pinned, settings_for
from monoskope.testing.scripted.m8 import ScriptedM8

URI = "vault://app/db"
VALUE = b"correct horse battery staple"
PUT = {"password": VALUE}
ANNA = "anna@example.org"


def client(m8: ScriptedM8, folder: Path, key: Path, *, subject: str = "alice", **given: object) -> Client:
    """Return a client that signs with a key and pauses for a millisecond only; the stores are pinned."""
    if not (folder / "known_stores").exists():
        pinned(m8, folder)
    settings = settings_for(m8, folder, subject=subject)
    system = folder / "no_known_stores"
    return Client(settings, signer=KeySigner(key), system_known_stores=system, pause_s=0.001, **given)  # type: ignore[arg-type]


def a_put(**more: object) -> Proposal:
    """Return the put of this world."""
    return Proposal.put(URI, PUT, **more)  # type: ignore[arg-type]


def signed_by(key: Path, change: bytes) -> bytes:
    """Return the approval of a change with a key."""
    return KeySigner(key).approve_now(parse_change(change))


def approves(key: Path) -> Callable[[changes_pb2.SecretChange], None]:
    """Return what approves a change when somebody waits for news."""
    return lambda view: approve(view, signed_by(key, view.change))

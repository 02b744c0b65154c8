"""`m8 reactor rotate-identity`: a new key for a store, with a step that both keys sign, and the end of the former key.

First half: m8 says that no process of the store is attached, that nothing is being written, and which tree its log has.
Second half: m8 says how many processes serve under the new identity, and the former key is deleted.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import ConflictError, RefusedError, UnavailableError, UsageError, docs_page
from monoskope.protocol.identity import Tree
from monoskope.reactor import settings
from monoskope.reactor.identity import store_identity
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.reactor.identity.store_identity import FORMER_FILE, Identity
from monoskope.reactor.link.endpoint import Endpoint
from monoskope.reactor.link.look import look, tree_now
from monoskope.text import counted

BEFORE = f"""\
The store {{store}} now has the identity {{before}}. First stop all replicas of the store.

Users: monoctl and the SDK follow the signed step from the identity that they have pinned to the new one, also after a
long time, and say so once. Users do not agree again. Who pins the store for the first time sees the new identity alone,
so tell your users what it is. Puts wait or fail until a replica runs again.

Keys: if the new key is lost, no command makes it again, and every user has to pin another identity. All steps:
{docs_page("operate/rotate-identity.md")}
"""
"""Before the identity is replaced, with {store} and {before}."""

ASKING = "Asking m8, which signs a checkpoint of its log now: up to a minute."

AFTER = """\
Next: copy {folder}/identity.key and {folder}/rotations to a safe place and to all other replicas, start all of
them, and then run: m8 reactor rotate-identity {folder} --finish"""
"""After the first half, with {folder}."""

NO_LOG = """\
m8 has no witnessed log, so the step names none: what the former identity signed is no longer proven."""


def before(folder: Path) -> str:
    """Return what to tell before the first half. Raises what `store_identity.to_rotate` raises."""
    store = settings.read_file(folder).store
    return BEFORE.format(store=store, before=store_identity.to_rotate(folder, store=store))


def begin(folder: Path) -> tuple[Identity, str]:
    """Do the first half, and return the new identity and what comes next.

    Raises:
        ConflictError: a process of the store is attached, or something is being written.
        UnavailableError: m8 does not answer, or signs no checkpoint.
        LogProofError: the checkpoint is not signed by the log of the settings.
        UsageError, RefusedError: the folder cannot be rotated, or m8 does not know the store's identity.
    """
    of = settings.read_file(folder)
    after = AFTER.format(folder=folder)
    if store_identity.is_signed(folder, store=of.store):
        return store_identity.rotate(folder, store=of.store, tree=None), after
    former = Identity.load(folder, store=of.store)
    tree = asyncio.run(_drained(_endpoint(folder, of, former), of.log_vkeys))
    made = store_identity.rotate(folder, store=of.store, tree=tree)
    return made, after if tree is not None else f"{NO_LOG}\n{after}"


def serving(folder: Path) -> int:
    """Return how many processes serve the store under its new identity, as m8 says.

    Raises:
        UsageError: no rotation waits for its end here.
        ConflictError: none serves yet.
        UnavailableError: m8 does not answer.
    """
    of = settings.read_file(folder)
    if not (folder / FORMER_FILE).exists():
        raise UsageError("no rotation waits for its end here.", fix=f"Begin one: m8 reactor rotate-identity {folder}")
    endpoint = _endpoint(folder, of, Identity.load(folder, store=of.store))
    try:
        _, seen = asyncio.run(_looked(endpoint))
        count = len(seen.replicas)
    except RefusedError:
        count = 0
    if not count:
        raise ConflictError(
            f"no process serves the store {of.store} under its new identity.",
            fix="Copy identity.key and rotations to all replicas, and start them.",
        )
    return count


def finish(folder: Path) -> None:
    """Delete the former key."""
    (folder / FORMER_FILE).unlink()


async def _drained(endpoint: Endpoint, vkeys: list[str]) -> Tree | None:
    """Return the log's tree, if nothing happens in the store before and after it was signed."""
    answers, seen = await _looked(endpoint)
    _check_still(seen, endpoint.identity.store)
    tree = await tree_now(answers, vkeys)
    _check_still(await look(answers), endpoint.identity.store)
    return tree


def _check_still(seen: reactor_pb2.StoreLook, store: str) -> None:
    if there := len(seen.replicas):
        raise ConflictError(
            f"{counted(there, 'process is', 'processes are')} attached to m8 for the store {store}.",
            fix="Stop all replicas. One that ended without a word counts for ten seconds more.",
        )
    if seen.writing:
        raise ConflictError(
            f"{counted(seen.writing, 'request is', 'requests are')} being written in the store {store}, and no key but"
            " the present one can end that.",
            fix="Start a replica again, and stop it when monoctl describe secret-store shows no pending request.",
        )


async def _looked(endpoint: Endpoint) -> tuple[Endpoint, reactor_pb2.StoreLook]:
    """Look at the first server of the list that answers, and return it, too."""
    for _ in endpoint.servers[1:]:
        try:
            return endpoint, await look(endpoint)
        except UnavailableError:
            endpoint = endpoint.next()
    return endpoint, await look(endpoint)


def _endpoint(folder: Path, of: settings.ReactorFile, identity: Identity) -> Endpoint:
    return Endpoint(
        servers=of.servers,
        ca_file=folder / of.ca_file,
        identity=identity,
        replica=b"",
        fingerprint_key_id=FingerprintKey.load(folder).key_id,
        type=str(of.engine.get("type", "")),
        announced=events_pb2.StoreCapabilities,
    )

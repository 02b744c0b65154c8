"""Checking a proof by what is given and by what this machine knows already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from monoskope.client.known_logs import NAME, KnownLogs
from monoskope.client.known_stores import SYSTEM_FILE, KnownStores
from monoskope.client.log_proofs.known import identities_at, servers_of, vkeys_of
from monoskope.client.log_proofs.offline import policy_of, verified
from monoskope.client.results.log_proofs import UploadProof
from monoskope.protocol.tlog import upload_proof
from monoskope.value import Value


class Given(Value, frozen=True, kw_only=True):
    """What the caller and the settings say."""

    vkeys: tuple[str, ...] = ()
    """The log's two verifier keys; () for those that are known."""
    witnesses: tuple[str, ...] = ()
    quorum: int = 0
    identities: Mapping[str, str] = {}
    """Store to identity; they count before those that are pinned."""
    known_stores: Path | None = None
    """The file of the pins, beside which `known_logs` lies."""
    servers: Sequence[str] = ()
    """The servers of the settings, whose pins count if no known log says which server it is."""


def trusted(content: bytes, given: Given, *, system: Path = SYSTEM_FILE) -> UploadProof:
    """Check a proof, and return what it says.

    Args:
        content: The proof.
        given: What is given.
        system: The administrator's `known_stores`, beside which their `known_logs` lies.

    Raises:
        UsageError: the proof is malformed, or something that is needed is neither given nor known; names it.
        LogMismatchError: something in the proof does not hold.
    """
    origin = upload_proof.UploadProof.parse(content).origin
    beside = None if given.known_stores is None else given.known_stores.with_name(NAME)
    known = servers_of(origin, KnownLogs(beside, system=system.with_name(NAME)))
    vkeys = given.vkeys or vkeys_of(origin, known)
    pins = identities_at(known or given.servers, KnownStores(given.known_stores, system=system))
    return verified(content, policy_of(vkeys, given.witnesses, given.quorum), {**pins, **given.identities})

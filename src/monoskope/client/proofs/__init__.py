"""Checking the proof of an upload without a server, by what is given and by what this machine knows already."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from monoskope.client.known.logs import NAME, KnownLogs
from monoskope.client.known.stores import SYSTEM_FILE, KnownStores
from monoskope.client.results.log import UploadProof
from monoskope.errors import LogMismatchError, UsageError
from monoskope.protocol.approvers import is_listed
from monoskope.protocol.identity import Namespace, check_shown
from monoskope.protocol.sshsig.lists import END, ListedKeys, is_whole, parse_listed
from monoskope.protocol.tlog import upload_proof
from monoskope.protocol.tlog.checkpoint import VerifierKey
from monoskope.protocol.tlog.note import LogKeys, Policy
from monoskope.text import escape

_FIX = "Give both `log_vkeys` as the log's operator published them."


def trusted(
    content: bytes,
    *,
    vkeys: tuple[str, ...],
    witnesses: tuple[str, ...],
    quorum: int,
    identities: Mapping[str, str],
    known_stores: Path | None,
    servers: Sequence[str],
    approvers: Mapping[str, str],
) -> UploadProof:
    """Check a proof by what is given and by what this machine knows, and return what it says.

    Args:
        content: The proof.
        vkeys: The log's two verifier keys; () for those that are known.
        witnesses: As `verify_upload_proof`.
        quorum: As `verify_upload_proof`.
        identities: Store to identity; they count before those that are pinned.
        known_stores: The file of the pins, beside which `known_logs` lies.
        servers: The servers of the settings, whose pins count if no known log says which server it is.
        approvers: As `verify_upload_proof`.

    Raises:
        UsageError: the proof is malformed, or something that is needed is neither given nor known; names it.
        LogMismatchError: something in the proof does not hold.
    """
    origin = upload_proof.UploadProof.parse(content).origin
    beside = None if known_stores is None else known_stores.with_name(NAME)
    logs = KnownLogs(beside, system=SYSTEM_FILE.with_name(NAME)).logs()
    known = {server: pin.vkeys for server, pin in logs.items() if pin.origin == origin}
    policy = policy_of(vkeys or _vkeys(origin, set(known.values())), witnesses, quorum)
    pins = {**_identities(known or servers, KnownStores(known_stores)), **identities}
    return verified(content, policy, pins, approvers)


def verify_upload_proof(
    content: bytes,
    *,
    log_vkeys: Sequence[str],
    store_identities: Mapping[str, str],
    witnesses: Sequence[str] = (),
    quorum: int = 0,
    approvers: Mapping[str, str] = MappingProxyType({}),
) -> UploadProof:
    """Check a proof of an upload. Neither a server is asked nor a file read.

    Args:
        content: The proof (docs/log-proofs.md).
        log_vkeys: The two verifier keys of the log, as its operator published them.
        store_identities: Store to identity, `SHA256:…`: of the store that was asked, and after a copy of the
            destination.
        witnesses: The verifier keys of the witnesses whose time counts.
        quorum: How many of them must have cosigned.
        approvers: Any name to the text of a list of approvers, as the store's operator keeps it. If any is given, each
            approver must be in one, when m8 recorded the end.

    Raises:
        UsageError: the proof, a list or a key is malformed, or an identity that is needed is missing.
        LogMismatchError: something in the proof does not hold; says what.
    """
    return verified(content, policy_of(log_vkeys, witnesses, quorum), store_identities, approvers)


def policy_of(log_vkeys: Sequence[str], witnesses: Sequence[str], quorum: int) -> Policy:
    """Return what is demanded of a checkpoint. Raises `UsageError`."""
    log = LogKeys.of([VerifierKey.parse(text) for text in log_vkeys])
    return Policy(log, tuple(VerifierKey.parse(text) for text in witnesses), quorum)


def verified(
    content: bytes,
    policy: Policy,
    store_identities: Mapping[str, str],
    approvers: Mapping[str, str] = MappingProxyType({}),
) -> UploadProof:
    """Return what a proof says under `policy`. Errors as `verify_upload_proof`."""
    proof = upload_proof.UploadProof.parse(content)
    pins = {store: check_shown(identity) for store, identity in store_identities.items()}
    if proof.evidence.HasField("grant"):
        _require(proof.stores[0], pins)
    proven = proof.verify(policy, pins)
    if proven.receipt is not None and proven.receipt.destination is not None:
        _require(proof.stores[-1], pins)  # else the proof of a copy says nothing of what was written
    return UploadProof.of(proven, content, _lists_of(proven, approvers))


def _lists_of(proven: upload_proof.ProvenUpload, approvers: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the names of the lists that have each approver. Raises `LogMismatchError` for one whom none has."""
    lists = {name: _list(name, text) for name, text in approvers.items()}
    found: dict[str, list[str]] = {}
    for one in proven.approvals:
        at = proven.recorded_at_ms / 1000
        found[one.principal] = [name for name, listed in lists.items() if is_listed(one, listed, at)]
        if lists and not found[one.principal]:
            raise LogMismatchError(
                f"the approver {one.principal} with the key {one.key.fingerprint} is in none of the lists given.",
                fix="Get the list of that day from the store's operator. If the key was never in it, show them this.",
            )
    return found


def _list(name: str, text: str) -> ListedKeys:
    try:
        listed = parse_listed(text, Namespace.APPROVAL)
    except UsageError as error:
        raise UsageError(f"{escape(name)}, {error.message}", fix=error.fix) from None
    if not is_whole(text):
        raise UsageError(f"{escape(name)} does not end with the line `{END}`.", fix="Get the whole list.")
    return listed


def _require(store: str, pins: Mapping[str, str]) -> None:
    if store not in pins:
        raise UsageError(
            f"no identity of the store {store!r} is pinned here.",
            fix="Give the one that its operator published: `store_identity` STORE=SHA256:…",
        )


def _vkeys(origin: str, known: set[tuple[str, str]]) -> tuple[str, str]:
    """Return the verifier keys of the log `origin`. Raises `UsageError` if none are known, or different ones."""
    if len(known) > 1:
        raise UsageError(f"this machine knows different keys of the log {escape(origin)}.", fix=_FIX)
    for vkeys in known:
        return vkeys
    raise UsageError(f"the proof is of the log {escape(origin)}, and this machine knows no keys of it.", fix=_FIX)


def _identities(servers: Collection[str], known: KnownStores) -> dict[str, str]:
    """Return the pinned identity of each store of `servers`. Raises `UsageError` if two servers have different ones."""
    found: dict[str, str] = {}
    for (server, store), identity in known.read().identities.items():
        if server in servers and found.setdefault(store, identity) != identity:
            raise UsageError(
                f"known_stores has two identities for the store {store!r}.",
                fix="Give the right one: `store_identity` STORE=SHA256:…",
            )
    return found

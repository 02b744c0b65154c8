"""Checking the proof of an upload without a server: by the keys of the log and the identity of the store alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monoskope.client.results.log_proofs import UploadProof
from monoskope.errors import UsageError
from monoskope.protocol.identity import check_shown
from monoskope.protocol.tlog import upload_proof
from monoskope.protocol.tlog.policy import LogKeys, Policy
from monoskope.protocol.tlog.vkey import VerifierKey

NO_IDENTITY = "no identity of the store {store!r} is pinned here."
NO_IDENTITY_FIX = "Give the one that its operator published: `store_identity` STORE=SHA256:…"
"""What is told where a store signed and nothing says by which identity it must have done."""


def verify_upload_proof(
    content: bytes,
    *,
    log_vkeys: Sequence[str],
    store_identities: Mapping[str, str],
    witnesses: Sequence[str] = (),
    quorum: int = 0,
) -> UploadProof:
    """Check a proof of an upload. Neither a server is asked nor a file read.

    Args:
        content: The proof (docs/log-proofs.md).
        log_vkeys: The two verifier keys of the log, as its operator published them.
        store_identities: Store to identity, `SHA256:…`: of the store that was asked, and after a copy of the
            destination.
        witnesses: The verifier keys of the witnesses whose time counts.
        quorum: How many of them must have cosigned.

    Raises:
        UsageError: the proof or a key is malformed, or an identity that is needed is missing.
        LogMismatchError: something in the proof does not hold; says what.
    """
    return verified(content, policy_of(log_vkeys, witnesses, quorum), store_identities)


def policy_of(log_vkeys: Sequence[str], witnesses: Sequence[str], quorum: int) -> Policy:
    """Return what is demanded of a checkpoint. Raises `UsageError`."""
    log = LogKeys.of([VerifierKey.parse(text) for text in log_vkeys])
    return Policy(log, tuple(VerifierKey.parse(text) for text in witnesses), quorum)


def verified(content: bytes, policy: Policy, store_identities: Mapping[str, str]) -> UploadProof:
    """Return what a proof says under `policy`. Errors as `verify_upload_proof`."""
    proof = upload_proof.UploadProof.parse(content)
    pins = {store: check_shown(identity) for store, identity in store_identities.items()}
    if proof.evidence.HasField("grant"):
        _require(proof.stores[0], pins)
    proven = proof.verify(policy, pins)
    if proven.receipt is not None and proven.receipt.destination is not None:
        _require(proof.stores[-1], pins)  # else the proof of a copy says nothing of what was written
    return UploadProof.of(proven, content)


def _require(store: str, pins: Mapping[str, str]) -> None:
    if store not in pins:
        raise UsageError(NO_IDENTITY.format(store=store), fix=NO_IDENTITY_FIX)

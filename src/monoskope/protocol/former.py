"""What a store's former identities signed: it counts where the log shows that it was there before the rotation.

A former key can be stolen when nobody guards it any more. So a position in the log proves nothing: m8 could record a
receipt of the thief's today, and say that it is old. But each step names the log's tree as it was then, and both keys
signed the step. What stands in that tree was there before the rotation (docs/protocol.md, Identities).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from monoskope.api.secrets.v1 import identity_pb2
from monoskope.protocol.identity import MAX_STEPS, ProofError, Rotation, open_rotation, shown
from monoskope.protocol.tlog.merkle import verify_inclusion
from monoskope.protocol.wire import parse

Steps = Sequence[identity_pb2.SignedRotation]


def former(pin: str, rotations: Steps, *, store: str) -> Mapping[str, Rotation]:
    """Return the identities that led to `pin`, as shown, each with the step that leads on from it.

    The pin's own key signed the last of these steps. Each other one is the one whose hash the step after it names: with
    two former keys a thief can sign another step between them, and no key of the pin vouches for that.

    Raises:
        ProofError: a step of the chain does not verify, leads back, or there are more than 64.
        MalformedError: a step is not well formed.
    """
    found: dict[str, Rotation] = {}
    by_digest = {hashlib.sha256(signed.content).digest(): signed for signed in rotations}
    signed = next((one for one in reversed(rotations) if _leads_to(one) == pin), None)
    first = pin
    while signed is not None:
        step = open_rotation(signed, store=store)
        if step.new != first or step.old in {pin, *found}:
            raise ProofError("the identity rotations before the pin do not form a chain")
        if len(found) == MAX_STEPS:
            raise ProofError(f"more than {MAX_STEPS} identity rotations lead to the pin")
        found[step.old], first = step, step.old
        signed = by_digest.get(step.previous_sha256)
    return found


def check_before(step: Rotation, *, index: int, leaf: bytes, proof: Sequence[bytes]) -> None:
    """Check that an entry of the log was there before a rotation.

    Args:
        step: The rotation.
        index: The place of the entry, from 0.
        leaf: Its leaf hash.
        proof: The inclusion proof in the tree that the rotation names.

    Raises:
        ProofError: the rotation names no tree, or one that ends before the entry.
        LogProofError: the proof does not lead to the root of that tree.
    """
    if step.tree is None:
        raise ProofError(f"nothing says what {step.old} had signed when the store gave it up: m8 had no witnessed log")
    if index >= step.tree.size:
        raise ProofError(f"it was recorded after the store gave up {step.old}")
    verify_inclusion(index, step.tree.size, leaf, proof, step.tree.root)


def step_from(identity: str, rotations: Steps) -> identity_pb2.IdentityRotation | None:
    """Return what the step says that claims to lead on from an identity, None if there is none. Verifies nothing."""
    return next((step for step in map(_parsed, rotations) if shown(step.old_key) == identity), None)


def _parsed(signed: identity_pb2.SignedRotation) -> identity_pb2.IdentityRotation:
    return parse(identity_pb2.IdentityRotation, signed.content)


def _leads_to(signed: identity_pb2.SignedRotation) -> str:
    return shown(_parsed(signed).new_key)

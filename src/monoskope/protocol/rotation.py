"""How a store's identity moves on: each step signed by the old key and the new one."""

from __future__ import annotations

from collections.abc import Sequence

from monoskope.api.secrets.v1 import identity_pb2
from monoskope.protocol.identity import KEY_BYTES, ProofError, shown, verify
from monoskope.protocol.labels import IDENTITY_ROTATION
from monoskope.protocol.wire import MalformedError, parse, serialise
from monoskope.uri import check_store_name
from monoskope.value import Value

MAX_STEPS = 64

_NAME = "IdentityRotation"


class Rotation(Value, frozen=True):
    """One verified step."""

    store: str
    old: str
    """The identity until now, as shown."""
    new: str
    """The identity from now on, as shown."""


def rotation_content(store: str, old_key: bytes, new_key: bytes) -> bytes:
    """Return the bytes that both keys sign."""
    return serialise(identity_pb2.IdentityRotation(store=store, old_key=old_key, new_key=new_key))


def open_rotation(signed: identity_pb2.SignedRotation, *, store: str) -> Rotation:
    """Verify one step for `store`.

    Raises:
        ProofError: either signature does not verify, or the step is for another store.
        MalformedError: not well formed.
    """
    message = parse(identity_pb2.IdentityRotation, signed.content)
    check_store_name(message.store)
    if message.old_key == message.new_key:
        raise MalformedError(_NAME, "new_key", "must differ from old_key")
    if len(message.old_key) != KEY_BYTES:
        raise MalformedError(_NAME, "old_key", "must have 32 bytes")
    if len(message.new_key) != KEY_BYTES:
        raise MalformedError(_NAME, "new_key", "must have 32 bytes")
    verify(message.old_key, IDENTITY_ROTATION, signed.content, signed.old_signature)
    verify(message.new_key, IDENTITY_ROTATION, signed.content, signed.new_signature)
    if message.store != store:
        raise ProofError("an identity rotation is for another store")
    return Rotation(message.store, shown(message.old_key), shown(message.new_key))


def steps_from(
    pin: str, rotations: Sequence[identity_pb2.SignedRotation], *, store: str
) -> list[tuple[identity_pb2.SignedRotation, Rotation]]:
    """Return the steps that lead on from `pin`, oldest first, each as it came and as verified; [] if none does.

    Steps before the pin are passed over unverified and do not count to the 64, so that what does not lead on costs
    nobody a signature; from it on, each must begin where the one before ended, and the first that does not hold ends
    the walk.

    Raises:
        ProofError: a step does not verify, leads back to an earlier identity, or there are more than 64.
        MalformedError: a step is not well formed.
    """
    chain = [pin]
    steps: list[tuple[identity_pb2.SignedRotation, Rotation]] = []
    for signed in rotations:
        if not steps and _claimed_old(signed) != pin:
            continue
        if len(steps) == MAX_STEPS:
            raise ProofError(f"more than {MAX_STEPS} identity rotations lead on from the pin")
        step = open_rotation(signed, store=store)
        if step.old != chain[-1]:
            raise ProofError("the identity rotations do not form a chain")
        if step.new in chain:
            raise ProofError("an identity rotation leads back to an earlier identity")
        chain.append(step.new)
        steps.append((signed, step))
    return steps


def follow(pin: str, rotations: Sequence[identity_pb2.SignedRotation], *, store: str) -> list[str]:
    """Return the identities that follow `pin` through `rotations`, oldest first, [] if none does.

    Raises:
        ProofError, MalformedError: as `steps_from`.
    """
    return [step.new for _, step in steps_from(pin, rotations, store=store)]


def _claimed_old(signed: identity_pb2.SignedRotation) -> str:
    """The identity from which a step says that it leads on, as shown. Proves nothing."""
    return shown(parse(identity_pb2.IdentityRotation, signed.content).old_key)

"""Lies with the stolen key of a store's former identity: a receipt of the thief's, in a log whose keys m8 holds.

Each is the answer to a question for the proof of a request, in which grant and receipt are signed by the former key. m8
signs a tree that has this record, so that the log itself says nothing against it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import log_pb2
from monoskope.api.secrets.v1 import events_pb2, identity_pb2
from monoskope.errors import Code
from monoskope.protocol.events import EVENTS
from monoskope.protocol.identity import IDENTITY_ROTATION, RECEIPT, UPLOAD_GRANT, Tree, rotation_content
from monoskope.protocol.tlog.checkpoint import Checkpoint
from monoskope.protocol.tlog.merkle import leaf_hash, node_hash, outline
from monoskope.protocol.tlog.note import Note
from monoskope.testing.cluster.identities import Identity
from tests.lies.lie import Lie, Step
from tests.lies.rig import MEMORY, ORIGIN
from tests.lies.scene import Scene

FIRST, FORMER = Identity(), Identity()
Steps = list[identity_pb2.SignedRotation]
Tell = Callable[[log_pb2.GetUploadProofResponse, Scene], Steps]


def step(scene: Scene, tree: Tree | None, *, after: identity_pb2.SignedRotation | None = None) -> Steps:
    """Return the step from the former identity to the pinned one, as the store made it."""
    pinned = scene.rig.identities[MEMORY]
    previous = b"" if after is None else hashlib.sha256(after.content).digest()
    content = rotation_content(MEMORY, FORMER.key, pinned.public_key, tree=tree, previous_sha256=previous)
    return [
        identity_pb2.SignedRotation(
            content=content,
            old_signature=FORMER.sign(IDENTITY_ROTATION, content).signature,
            new_signature=pinned.sign(IDENTITY_ROTATION, content).signature,
        )
    ]


def _late(_: log_pb2.GetUploadProofResponse, scene: Scene) -> Steps:
    return step(scene, Tree(1, bytes(32)))


def _in_its_tree(answer: log_pb2.GetUploadProofResponse, scene: Scene) -> Steps:
    return step(scene, Tree(answer.index + 1, scene.rig.pinned.root))


def _another_tree(answer: log_pb2.GetUploadProofResponse, scene: Scene) -> Steps:
    (honest,) = _late(answer, scene)
    said = identity_pb2.IdentityRotation.FromString(honest.content)
    said.log_size = answer.index + 1
    honest.content = said.SerializeToString(deterministic=True)
    return [honest]


def _between_two_former(answer: log_pb2.GetUploadProofResponse, scene: Scene) -> Steps:
    honest = FIRST.rotate(FORMER, MEMORY)
    theirs = FIRST.rotate(FORMER, MEMORY, tree=Tree(answer.index + 1, bytes(32)))
    return [theirs, *step(scene, None, after=honest)]


def _forged(answer: log_pb2.GetUploadProofResponse, scene: Scene, thief: Identity) -> None:
    """Sign grant and receipt with a stolen key, and a tree that has this record."""
    record = event_pb2.Event.FromString(answer.evidence.record)
    event = EVENTS[record.type].FromString(record.data)
    assert isinstance(event, events_pb2.SecretUploaded)
    event.receipt.CopyFrom(thief.sign(RECEIPT, event.receipt.content))
    record.data = event.SerializeToString(deterministic=True)
    answer.evidence.record = record.SerializeToString(deterministic=True)
    answer.evidence.grant.CopyFrom(thief.sign(UPLOAD_GRANT, answer.evidence.grant.content))
    shown = Checkpoint.parse(Note.parse(answer.note).text)
    leaf = leaf_hash(hashlib.sha256(outline(record)).digest())
    root = _root(answer.index, shown.size, leaf, answer.inclusion)
    at_s = scene.rig.m8.world.clock.now_ms // 1000
    answer.note = scene.rig.log_key.sign(Checkpoint(ORIGIN, shown.size, root), at_s)
    answer.evidence.before_rotation[:] = answer.inclusion


def _root(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes:
    """Return the root to which an inclusion proof leads (RFC 9162, 2.1.3.2)."""
    place, last, found = index, size - 1, leaf
    for hash_ in proof:
        if place & 1 or place == last:
            found = node_hash(hash_, found)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, hash_)
        place, last = place >> 1, last >> 1
    return found


def former(name: str, steps: Tell, says: str, *, thief: Identity = FORMER) -> Lie:
    def change(answer: log_pb2.GetUploadProofResponse, scene: Scene) -> None:
        made = steps(answer, scene)
        del answer.evidence.rotations[:]
        answer.evidence.rotations.extend(made)
        _forged(answer, scene, thief)

    def tell(scene: Scene) -> None:
        scene.change("GetUploadProof", lambda answer: change(answer, scene))

    return Lie(Step.LOG, f"a former identity's receipt, {name}", tell, says, Code.LOG_MISMATCH, ("get upload proof",))


NOT_JOINED = "neither the pinned identity of the store nor one that signed steps join to it"

LIES = (
    former("recorded after the step from it", _late, "it was recorded after the store gave up SHA256:"),
    former("as if it were in the tree of that step", _in_its_tree, "does not lead to the root of the tree"),
    former("and another tree in that step", _another_tree, "a signature does not verify"),
    former("and a step that names no tree", lambda _, scene: step(scene, None), "m8 had no witnessed log"),
    former("and no step", lambda *_: [], NOT_JOINED),
    former("by another step between two former keys", _between_two_former, NOT_JOINED, thief=FIRST),
    former("and a step to another identity", lambda *_: [FORMER.rotate(FIRST, MEMORY)], NOT_JOINED),
)

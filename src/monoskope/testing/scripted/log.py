"""A log of one's own for testing clients: it answers `GetCheckpoint` from a tree that it holds in memory."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from monoskope.api.gateway.v1 import log_pb2
from monoskope.errors import Error, UnavailableError
from monoskope.protocol.tlog.checkpoint import Checkpoint, Kind, VerifierKey, cosigned_text
from monoskope.protocol.tlog.log_key import LogKey
from monoskope.protocol.tlog.merkle import Node, batch_plan, consistency_plan, leaf_hash, node_hash, root_plan
from monoskope.protocol.tlog.note import Note, NoteSignature

ORIGIN = "monoskope/0123456789abcdef"


class ScriptedWitness:
    """Cosigns with Ed25519 whatever it is shown."""

    def __init__(self, name: str) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.vkey = VerifierKey(name, Kind.COSIGNATURE_ED25519, self._key.public_key().public_bytes_raw())

    def cosign(self, checkpoint: Checkpoint, at_s: int) -> NoteSignature:
        """Return its cosignature of `checkpoint`."""
        signed = at_s.to_bytes(8, "big") + self._key.sign(cosigned_text(checkpoint, at_s))
        return NoteSignature(self.vkey.name, self.vkey.key_id, signed)


class ScriptedLog:
    """Grows by `grow`. Change its attributes to make it lie.

    Args:
        size: How many entries it has at first.
        key: Its keys; new ones by default.
        seed: Logs of other seeds have other entries.
    """

    def __init__(self, size: int = 3, *, key: LogKey | None = None, seed: str = "") -> None:
        self.key = key or LogKey.make(ORIGIN)
        self.vkeys = [str(vkey) for vkey in self.key.vkeys]
        self.entries: list[bytes] = []
        self.asked: list[int] = []
        """The size of each question, in order."""
        self.witnesses: list[ScriptedWitness] = []
        """Who cosigns everything."""
        self.at_s: int | None = None
        """When everything is signed, None for now."""
        self.witnessed_size: int | None = None
        """The size of the tree that witnesses have seen, None for all."""
        self.trouble = ""
        self.failure: Error | None = None
        """What every question is refused with."""
        self.grow(size, seed=seed)

    def grow(self, count: int, *, seed: str = "") -> None:
        """Add entries."""
        first = len(self.entries)
        self.entries += [hashlib.sha256(f"{seed}{place}".encode()).digest() for place in range(first, first + count)]

    @property
    def size(self) -> int:
        """How many entries it has."""
        return len(self.entries)

    def checkpoint(self, size: int) -> Checkpoint:
        """Return the checkpoint of the first `size` entries."""
        plan = root_plan(size)
        return Checkpoint(self.key.origin, size, plan.build(self._hashes(plan.needs)))

    def note(self, size: int, *, cosigned: bool = True) -> bytes:
        """Return the signed note of the first `size` entries."""
        at_s = int(time.time()) if self.at_s is None else self.at_s
        checkpoint = self.checkpoint(size)
        note = Note.parse(self.key.sign(checkpoint, at_s))
        return bytes(
            note.with_signatures(each.cosign(checkpoint, at_s) for each in self.witnesses) if cosigned else note
        )

    def proof(self, size: int, other: int) -> list[bytes]:
        """Return the consistency proof between trees of these sizes."""
        plan = consistency_plan(*sorted((size, other)))
        return list(plan.build(self._hashes(plan.needs)))

    def inclusion(self, positions: Iterable[int], size: int) -> list[bytes]:
        """Return the proof that the tree of `size` entries has those of all positions up to that."""
        indexes = sorted(position - 1 for position in positions if position <= size)
        plan = batch_plan(indexes, size)
        return list(plan.build(self._hashes(plan.needs))) if indexes else []

    def answer(self, request: log_pb2.GetCheckpointRequest) -> log_pb2.GetCheckpointResponse:
        """Answer as m8 does. Raises what to refuse with."""
        self.asked.append(request.size)
        if self.failure is not None:
            raise self.failure
        if request.size > self.size:
            raise UnavailableError(f"this process has {self.size} entries of the log, not {request.size}.")
        seen = self.size if self.witnessed_size is None else self.witnessed_size
        answer = log_pb2.GetCheckpointResponse(
            newest=self._proven(self.size, request.size, cosigned=seen == self.size),
            trouble=self.trouble,
            vkeys=self.vkeys,
        )
        if self.witnesses:
            answer.witnessed.CopyFrom(self._proven(seen, request.size))
            answer.quorum = len(self.witnesses)
            answer.witnesses.extend(log_pb2.Witness(vkey=str(each.vkey), size=seen) for each in self.witnesses)
        return answer

    def _proven(self, size: int, known: int, *, cosigned: bool = True) -> log_pb2.ProvenCheckpoint:
        proof = self.proof(size, known) if known else []
        return log_pb2.ProvenCheckpoint(note=self.note(size, cosigned=cosigned), consistency=proof)

    def _hashes(self, nodes: Iterable[Node]) -> dict[Node, bytes]:
        return {node: self._hash(node) for node in nodes}

    def _hash(self, node: Node) -> bytes:
        if node.level == 0:
            return leaf_hash(self.entries[node.index])
        below = node.level - 1
        return node_hash(self._hash(Node(below, 2 * node.index)), self._hash(Node(below, 2 * node.index + 1)))

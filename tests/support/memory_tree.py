"""A log's tree in memory, which can be another one, or end earlier, as a test says."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from pathlib import Path

from monoskope.m8.tree.tree import Tree
from monoskope.protocol.tlog.checkpoint import Checkpoint
from monoskope.protocol.tlog.log_key import LogKey
from monoskope.protocol.tlog.merkle import Node, consistency_plan, leaf_hash, node_hash, root_plan


class MemoryTree(Tree):
    """The records are numbers, hashed with `seed`."""

    def __init__(self, key: LogKey, length: int, *, seed: int = 0, folder: Path = Path()) -> None:
        self.key = key
        self.length = length
        self.seed = seed
        self.folder = folder

    async def size(self) -> int:
        return self.length

    async def root(self, size: int) -> bytes:
        return self.root_of(size)

    async def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        plan = consistency_plan(old, new)
        return plan.build(self._hashed(plan.needs))

    def root_of(self, size: int) -> bytes:
        plan = root_plan(size)
        return plan.build(self._hashed(plan.needs))

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        found = self.length if size is None else size
        return Checkpoint(self.key.origin, found, self.root_of(found))

    def note(self, size: int | None = None) -> bytes:
        """Return the signed note of a checkpoint, of all records if no size is given."""
        return self.key.sign(self.checkpoint(size), int(time.time()))

    def _hashed(self, nodes: Iterable[Node]) -> dict[Node, bytes]:
        return {node: self._hash(node) for node in nodes}

    def _hash(self, node: Node) -> bytes:
        if node.level == 0:
            return leaf_hash(hashlib.sha256(bytes([self.seed, node.index])).digest())
        left = Node(node.level - 1, node.index * 2)
        return node_hash(self._hash(left), self._hash(Node(left.level, left.index + 1)))

"""The tree over the records of an event log: its roots and proofs, from the tiles that the log keeps.

Entry i is the hash of the record at position i + 1 (docs/adr/0054-a-tree-beside-the-log.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from monoskope.errors import NotFoundError, UnavailableError
from monoskope.m8.log.tree_rows import HASH_BYTES, TreeRows
from monoskope.protocol.tlog.merkle import Node, batch_plan, consistency_plan, inclusion_plan, root_plan
from monoskope.protocol.tlog.tiles import Tile, place_of


class TreeBehindError(UnavailableError):
    """The tree has not come so far yet, or this m8 knows less of it than the caller."""

    def __init__(self, size: int) -> None:
        super().__init__(
            f"this m8 knows no tree of the size {size} yet.", fix="Try again in a few seconds, or ask another replica."
        )


class Tree:
    """Reads one log's tree. A tree of a size never changes, so what it returns may be kept."""

    def __init__(self, rows: TreeRows) -> None:
        self._rows = rows

    async def size(self) -> int:
        """Return how many leaves the tree has by now. Raises `UnavailableError`, as every method does."""
        return await self._rows.tree_size()

    async def root(self, size: int) -> bytes:
        """Return the root of the tree of the first `size` records. Raises `TreeBehindError` if it has fewer."""
        plan = root_plan(size)
        return plan.build(await self._hashes(plan.needs, size))

    async def inclusion(self, index: int, size: int) -> tuple[bytes, ...]:
        """Return the proof that the leaf `index` is in the tree of `size` leaves.

        Raises:
            TreeBehindError: it has fewer.
            ValueError: `index` is not below `size`.
        """
        plan = inclusion_plan(index, size)
        return plan.build(await self._hashes(plan.needs, size))

    async def batch(self, indexes: Sequence[int], size: int) -> tuple[bytes, ...]:
        """Return the proof that all these leaves, ascending, are in the tree of `size` leaves.

        Raises:
            TreeBehindError: it has fewer.
            ValueError: an index is not below `size`.
        """
        plan = batch_plan(indexes, size)
        return plan.build(await self._hashes(plan.needs, size))

    async def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        """Return the proof that the tree of `new` leaves begins with that of `old`; () if they are equal or `old` is 0.

        Raises:
            TreeBehindError: it has fewer than `new` leaves.
            ValueError: `old` is greater than `new`.
        """
        plan = consistency_plan(old, new)
        return plan.build(await self._hashes(plan.needs, new))

    async def tile(self, tile: Tile) -> bytes:
        """Return the hashes of a tile. Raises `NotFoundError` if the tree has fewer there."""
        found = await self._rows.tiles([(tile.level, tile.index)])
        content = found.get((tile.level, tile.index), b"")[: tile.width * HASH_BYTES]
        if len(content) < tile.width * HASH_BYTES:
            raise NotFoundError(f"the tree has no {tile.path}.", fix="Read /checkpoint for its size.")
        return content

    async def _hashes(self, nodes: Iterable[Node], size: int) -> dict[Node, bytes]:
        places = {node: place_of(node, size) for node in nodes}
        tiles = await self._rows.tiles({(place.tile.level, place.tile.index) for place in places.values()})
        hashes = {}
        for node, place in places.items():
            content = tiles.get((place.tile.level, place.tile.index), b"")[: place.tile.width * HASH_BYTES]
            if len(content) < place.tile.width * HASH_BYTES:
                raise TreeBehindError(size)
            hashes[node] = place.hash_in(content)
        return hashes

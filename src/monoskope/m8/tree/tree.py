"""The tree over the records of an event log: growing it, and its roots and proofs, from the tiles that the log keeps.

Entry i is the hash of the record at position i + 1 (docs/adr/0054-a-tree-beside-the-log.md). The tree grows a piece at
a time: what is kept after each piece is a whole tree of some size.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from monoskope.errors import Code, Error, NotFoundError, UnavailableError
from monoskope.m8.log.failures import LogTamperedError
from monoskope.m8.log.tree_rows import FULL, HASH_BYTES, TileKey, TreeRows
from monoskope.protocol.tlog.merkle import Node, batch_plan, consistency_plan, inclusion_plan, leaf_hash, root_plan
from monoskope.protocol.tlog.tiles import TILE_WIDTH, Place, Tile, place_of, tiles_of


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


PIECE = 1_024
"""Records that are added at once: their hashes take the event loop some 2 milliseconds."""

PAUSE_S = 0.01
"""Between two pieces, so that appends have the log for themselves most of the time."""


class TilesDamagedError(Error):
    """The tiles of a tree are not those of its records. The records themselves are not touched by that."""

    code = Code.IDENTITY_CHANGED

    def __init__(self, size: int) -> None:
        super().__init__(
            f"the tiles of the tree of {size} records are damaged, and the records are not.",
            fix="Make them from the records again: m8 readmodels rebuild",
        )


class Edge:
    """The right edge of a tree: the last tile of each level, to which hashes are added. Pure.

    Args:
        size: Of the tree.
        tiles: The tiles of its edge that are not full, each with as many hashes as the tree has there.
    """

    def __init__(self, size: int = 0, tiles: dict[TileKey, bytes] | None = None) -> None:
        self.size = size
        self._last: list[tuple[int, bytearray]] = []
        for tile in tiles_of(size):
            body = b"" if tiles is None else tiles.get((tile.level, tile.index), b"")[: tile.width * HASH_BYTES]
            if tile.width == FULL:
                self._last.append((tile.index + 1, bytearray()))
            elif len(body) == tile.width * HASH_BYTES:
                self._last.append((tile.index, bytearray(body)))
            else:
                raise TilesDamagedError(size)

    def add(self, hashes: Iterable[bytes]) -> dict[TileKey, bytes]:
        """Add the entries of records, and return the tiles that changed."""
        changed: dict[TileKey, bytes] = {}
        for entry in hashes:
            self._add(0, leaf_hash(entry), changed)
            self.size += 1
        for level, (index, body) in enumerate(self._last):
            if body:
                changed[level, index] = bytes(body)
        return changed

    def root(self) -> bytes:
        """Return the root of the tree of `size` leaves."""
        plan = root_plan(self.size)
        places = {node: place_of(node, self.size) for node in plan.needs}
        return plan.build(
            {node: place.hash_in(bytes(self._last[place.tile.level][1])) for node, place in places.items()}
        )

    def _add(self, level: int, digest: bytes, changed: dict[TileKey, bytes]) -> None:
        if level == len(self._last):
            self._last.append((0, bytearray()))
        index, body = self._last[level]
        body += digest
        if len(body) == FULL * HASH_BYTES:
            full = bytes(body)
            changed[level, index] = full
            self._last[level] = (index + 1, bytearray())
            self._add(level + 1, Place(Tile(level, index), 0, TILE_WIDTH).hash_in(full), changed)


async def grow_tree(rows: TreeRows, *, upto: int) -> int:
    """Add the next piece of records to the tree, up to the position `upto`, and return its size then.

    Raises:
        UnavailableError: the log fails.
        LogTamperedError: a record is missing.
        TilesDamagedError: the tiles that are there make no tree.
    """
    size = await rows.tree_size()
    if size >= upto:
        return size
    partial = [(tile.level, tile.index) for tile in tiles_of(size) if tile.width < FULL]
    edge = Edge(size, await rows.tiles(partial))
    await _add(rows, edge, upto)
    return edge.size


async def rebuild_tree(rows: TreeRows, *, upto: int) -> int:
    """Make all tiles again up to the position `upto`, in place of those that are there, and return that position.

    Others may read the tree and add to it meanwhile. Raises as `grow_tree`.
    """
    edge = Edge()
    while edge.size < upto:
        await _add(rows, edge, upto)
        await asyncio.sleep(0)
    return edge.size


async def _add(rows: TreeRows, edge: Edge, upto: int) -> None:
    hashes = await rows.hashes(after=edge.size, limit=min(PIECE, upto - edge.size))
    if not hashes:
        raise LogTamperedError(edge.size + 1, "the record is missing")
    await rows.put_tiles(edge.add(hashes))

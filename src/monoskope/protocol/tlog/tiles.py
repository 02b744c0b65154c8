"""Tiles: the pieces of 256 hashes in which a tree is stored and served (c2sp.org/tlog-tiles)."""

from __future__ import annotations

import re

from monoskope.lazy import pattern
from monoskope.protocol.tlog.forms import NoteError
from monoskope.protocol.tlog.merkle import HASH_BYTES, MAX_SIZE, Node, node_hash
from monoskope.value import Value

TILE_HEIGHT = 8
"""Levels of the tree in one tile."""
TILE_WIDTH = 1 << TILE_HEIGHT
"""Hashes of a full tile."""
MAX_TILE_LEVEL = 63
MAX_TILE_INDEX = MAX_SIZE >> TILE_HEIGHT
"""No tree has a tile further to the right."""

_INDEX = r"(?:x[0-9]{3}/)*[0-9]{3}"
_WIDTH = r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
_PATH = pattern(rf"tile/(?P<level>0|[1-9][0-9]?)/(?P<index>{_INDEX}){_WIDTH}", re.ASCII)
_ENTRIES_PATH = pattern(rf"tile/entries/(?P<index>{_INDEX}){_WIDTH}", re.ASCII)


class Tile(Value, frozen=True, order=True):
    """The `index`-th tile of one level: at level 0 of leaves, above of the hashes of full tiles of the level below."""

    level: int
    index: int
    width: int = TILE_WIDTH
    """How many hashes it has: 256, or 1 to 255 if it is a partial tile."""

    @property
    def path(self) -> str:
        """Where it is served, such as "tile/0/x001/067.p/3"."""
        return f"tile/{self.level}/{self._place()}"

    @property
    def entries_path(self) -> str:
        """Where the entries below it are served, of a tile at level 0, such as "tile/entries/x001/067.p/3"."""
        return f"tile/entries/{self._place()}"

    def _place(self) -> str:
        digits = str(self.index)
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        partial = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]]) + partial

    @classmethod
    def parse(cls, path: str) -> Tile:
        """Return the tile that is served at `path`.

        Raises:
            NoteError: it is not the one form of a tile's path.
        """
        found = _PATH.fullmatch(path)
        tile = None if found is None else _tile(int(found["level"]), found["index"], found["width"])
        if tile is None or tile.path != path:
            raise NoteError("the path of a tile", "must be like tile/0/x001/067 or tile/0/x001/067.p/3")
        return tile

    @classmethod
    def parse_entries(cls, path: str) -> Tile:
        """Return the tile at level 0 whose entries are served at `path`.

        Raises:
            NoteError: it is not the one form of such a path.
        """
        found = _ENTRIES_PATH.fullmatch(path)
        tile = None if found is None else _tile(0, found["index"], found["width"])
        if tile is None or tile.entries_path != path:
            raise NoteError("the path of entries", "must be like tile/entries/x001/067 or tile/entries/x001/067.p/3")
        return tile


class Place(Value, frozen=True):
    """Where the hash of a node is found: it is over `count` hashes of a tile, from the `offset`-th on."""

    tile: Tile
    offset: int
    """The first hash, from 0."""
    count: int
    """A power of two; 1 if the tile has the node's own hash."""

    def hash_in(self, content: bytes) -> bytes:
        """Return the node's hash, from the bytes of the tile.

        Raises:
            NoteError: the tile has another number of bytes.
        """
        if len(content) != self.tile.width * HASH_BYTES:
            raise NoteError(f"the tile {self.tile.path}", f"must have {self.tile.width * HASH_BYTES} bytes")
        first = self.offset * HASH_BYTES
        row = [content[at : at + HASH_BYTES] for at in range(first, first + self.count * HASH_BYTES, HASH_BYTES)]
        while len(row) > 1:
            row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
        return row[0]


def width_of(level: int, index: int, size: int) -> int:
    """Return how many hashes the tile has in a tree of `size` leaves, 0 if it is not there."""
    return max(0, min(TILE_WIDTH, (size >> TILE_HEIGHT * level) - index * TILE_WIDTH))


def place_of(node: Node, size: int) -> Place:
    """Return where the hash of `node` is found in the tiles of a tree with `size` leaves.

    Raises:
        ValueError: the tree does not have the whole node.
    """
    if (node.index + 1) << node.level > size:
        raise ValueError(f"a tree of {size} leaves does not have {node}")
    level, above = divmod(node.level, TILE_HEIGHT)
    index, offset = divmod(node.index << above, TILE_WIDTH)
    return Place(Tile(level, index, width_of(level, index, size)), offset, 1 << above)


def tiles_of(size: int) -> tuple[Tile, ...]:
    """Return the last tile of each level of a tree with `size` leaves, partial ones included, lowest level first.

    Together with the full tiles to their left they are the whole tree.
    """
    last: list[Tile] = []
    level, count = 0, size
    while count:
        index = (count - 1) // TILE_WIDTH
        last.append(Tile(level, index, count - index * TILE_WIDTH))
        level, count = level + 1, count >> TILE_HEIGHT
    return tuple(last)


def _tile(level: int, index: str, width: str | None) -> Tile | None:
    """Return the tile with the parts of a path, None if a number is out of range. The length bounds what is read."""
    digits = index.replace("x", "").replace("/", "")
    wide = TILE_WIDTH if width is None else int(width)
    if len(digits) > 18 or level > MAX_TILE_LEVEL or not (width is None or wide < TILE_WIDTH):
        return None
    return Tile(level, int(digits), wide) if int(digits) <= MAX_TILE_INDEX else None

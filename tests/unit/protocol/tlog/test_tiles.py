"""Tiles: a tree that is cut into them and put together again is the same tree."""

from __future__ import annotations

import contextlib
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.protocol.tlog.forms import NoteError
from monoskope.protocol.tlog.merkle import MAX_SIZE, Node, inclusion_plan, leaf_hash, node_hash, root_plan
from monoskope.protocol.tlog.tiles import MAX_TILE_INDEX, Place, Tile, place_of, tiles_of, width_of

SIZE = 66_000
"""Three levels of tiles."""


def hashes(size: int) -> list[list[bytes]]:
    """Return all perfect subtrees of a tree: those of each level from left to right."""
    levels = [[leaf_hash(number.to_bytes(4, "big")) for number in range(size)]]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)])
    return levels


LEVELS = hashes(SIZE)


def content(tile: Tile) -> bytes:
    first = tile.index * 256
    return b"".join(LEVELS[8 * tile.level][first : first + tile.width])


def test_every_hash_that_a_proof_needs_is_in_the_tile_that_is_named() -> None:
    for index in (0, 1, 255, 256, 65_535, 65_536, SIZE - 1):
        for node in inclusion_plan(index, SIZE).needs:
            assert place_of(node, SIZE).hash_in(content(place_of(node, SIZE).tile)) == LEVELS[node.level][node.index]
    needs = root_plan(SIZE).needs
    found = {node: place_of(node, SIZE).hash_in(content(place_of(node, SIZE).tile)) for node in needs}
    assert root_plan(SIZE).build(found) == root_plan(SIZE).build({n: LEVELS[n.level][n.index] for n in needs})


@given(st.integers(1, MAX_SIZE), st.data())
def test_a_node_of_any_tree_lies_within_one_tile_that_the_tree_has(size: int, data: st.DataObject) -> None:
    node = data.draw(st.sampled_from(root_plan(size).needs))
    place = place_of(node, size)
    assert place.tile.width == width_of(place.tile.level, place.tile.index, size)
    assert place.offset + place.count <= place.tile.width
    assert place.offset % place.count == 0
    assert Tile.parse(place.tile.path) == place.tile
    assert Node(8 * place.tile.level + place.count.bit_length() - 1, node.index) == node


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 65_535, 65_536, 65_537, 70_000])
def test_a_tree_ends_in_the_tiles_that_the_specification_counts(size: int) -> None:
    for tile in tiles_of(size):
        assert tile.width == (size // 256**tile.level) % 256 or tile.width == 256
        assert width_of(tile.level, tile.index + 1, size) == 0
        assert tile.width == width_of(tile.level, tile.index, size)
    assert len(tiles_of(size)) == len([level for level in range(8) if size // 256**level])


def test_a_node_that_a_tree_does_not_have_whole_has_no_place() -> None:
    with pytest.raises(ValueError, match="does not have"):
        place_of(Node(1, 1), 3)


@pytest.mark.parametrize("count", [0, 1, 2, 4])
def test_a_tile_with_another_number_of_bytes_is_refused(count: int) -> None:
    with pytest.raises(NoteError):
        Place(Tile(0, 0, 3), 0, 2).hash_in(hashlib.sha256().digest() * count)


@given(st.integers(0, 63), st.integers(0, MAX_TILE_INDEX), st.integers(1, 256))
def test_a_path_names_one_tile(level: int, index: int, width: int) -> None:
    tile = Tile(level, index, width)
    assert Tile.parse(tile.path) == tile
    assert Tile.parse_entries(tile.entries_path) == Tile(0, index, width)


@given(st.text(alphabet="tile/x0123456789.pentrs", max_size=40))
def test_what_is_no_path_is_refused_and_what_is_one_has_one_form(path: str) -> None:
    for parse, shown in ((Tile.parse, "path"), (Tile.parse_entries, "entries_path")):
        try:
            tile = parse(path)
        except NoteError:
            continue
        assert getattr(tile, shown) == path


@pytest.mark.parametrize("place", ["000", "x000/067", "067.p/256", "067.p/03", "67", "x067"])
def test_a_path_in_another_form_is_refused(place: str) -> None:
    refused = place != "000"
    for parse, path in ((Tile.parse, f"tile/0/{place}"), (Tile.parse_entries, f"tile/entries/{place}")):
        with pytest.raises(NoteError) if refused else contextlib.nullcontext():
            parse(path)

"""Proofs of the log's tree against the definitions of RFC 6962, and its tiles."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.protocol.tlog.forms import LogProofError, NoteError
from monoskope.protocol.tlog.merkle import (
    EMPTY_ROOT,
    MAX_SIZE,
    Node,
    batch_plan,
    consistency_plan,
    inclusion_plan,
    leaf_hash,
    node_hash,
    root_plan,
    verify_batch,
    verify_consistency,
    verify_inclusion,
)
from monoskope.protocol.tlog.tiles import MAX_TILE_INDEX, Place, Tile, place_of, tiles_of, width_of

ENTRIES = [hashlib.sha256(str(number).encode()).digest() for number in range(600)]
SMALL = 34


def half(entries: Sequence[bytes]) -> int:
    """Return k of RFC 6962: the largest power of two smaller than the number of entries."""
    k = 1
    while k * 2 < len(entries):
        k *= 2
    return k


def mth(entries: Sequence[bytes]) -> bytes:
    """RFC 6962, section 2.1: MTH."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\0" + entries[0]).digest()
    k = half(entries)
    return hashlib.sha256(b"\1" + mth(entries[:k]) + mth(entries[k:])).digest()


def path(index: int, entries: Sequence[bytes]) -> tuple[bytes, ...]:
    """RFC 6962, section 2.1.1: PATH."""
    if len(entries) == 1:
        return ()
    k = half(entries)
    if index < k:
        return (*path(index, entries[:k]), mth(entries[k:]))
    return (*path(index - k, entries[k:]), mth(entries[:k]))


def subproof(old: int, entries: Sequence[bytes], *, whole: bool) -> tuple[bytes, ...]:
    """RFC 6962, section 2.1.2: SUBPROOF."""
    if old == len(entries):
        return () if whole else (mth(entries),)
    k = half(entries)
    if old <= k:
        return (*subproof(old, entries[:k], whole=whole), mth(entries[k:]))
    return (*subproof(old - k, entries[k:], whole=False), mth(entries[:k]))


def hashes_of(needs: Sequence[Node]) -> dict[Node, bytes]:
    return {node: mth(ENTRIES[node.index << node.level : (node.index + 1) << node.level]) for node in needs}


def root(size: int) -> bytes:
    plan = root_plan(size)
    return plan.build(hashes_of(plan.needs))


def inclusion(index: int, size: int) -> tuple[bytes, ...]:
    plan = inclusion_plan(index, size)
    return plan.build(hashes_of(plan.needs))


def consistency(old: int, new: int) -> tuple[bytes, ...]:
    plan = consistency_plan(old, new)
    return plan.build(hashes_of(plan.needs))


def test_the_empty_tree_has_the_root_of_the_rfc() -> None:
    assert root(0) == EMPTY_ROOT
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_leaves_and_nodes_are_hashed_apart() -> None:
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert node_hash(b"", b"") == hashlib.sha256(b"\1").digest()


@pytest.mark.parametrize("size", range(SMALL))
def test_every_root_and_proof_of_a_small_tree_is_that_of_the_rfc(size: int) -> None:
    assert root(size) == mth(ENTRIES[:size])
    for index in range(size):
        proof = inclusion(index, size)
        assert proof == path(index, ENTRIES[:size])
        verify_inclusion(index, size, leaf_hash(ENTRIES[index]), proof, mth(ENTRIES[:size]))
    for old in range(size + 1):
        proof = consistency(old, size)
        assert proof == (subproof(old, ENTRIES[:size], whole=True) if old else ())
        verify_consistency(old, mth(ENTRIES[:old]), size, mth(ENTRIES[:size]), proof)


@given(st.data())
def test_roots_and_proofs_of_larger_trees_are_those_of_the_rfc(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, len(ENTRIES)))
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size))
    top = mth(ENTRIES[:size])
    assert root(size) == top
    included, continued = inclusion(index, size), consistency(old, size)
    assert included == path(index, ENTRIES[:size])
    assert continued == subproof(old, ENTRIES[:size], whole=True)
    verify_inclusion(index, size, leaf_hash(ENTRIES[index]), included, top)
    verify_consistency(old, mth(ENTRIES[:old]), size, top, continued)


@given(st.data())
def test_a_proof_with_one_bit_changed_is_refused(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 80))
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size - 1))
    leaf, top, before = leaf_hash(ENTRIES[index]), mth(ENTRIES[:size]), mth(ENTRIES[:old])
    included, continued = inclusion(index, size), consistency(old, size)
    for faulty in one_bit_off(included, data):
        with pytest.raises(LogProofError):
            verify_inclusion(index, size, leaf, faulty, top)
    for faulty in one_bit_off(continued, data):
        with pytest.raises(LogProofError):
            verify_consistency(old, before, size, top, faulty)
    ((wrong_top,), (wrong_leaf,)) = (next(one_bit_off((each,), data)) for each in (top, leaf))
    with pytest.raises(LogProofError):
        verify_inclusion(index, size, wrong_leaf, included, top)
    with pytest.raises(LogProofError):
        verify_inclusion(index, size, leaf, included, wrong_top)
    with pytest.raises(LogProofError):
        verify_consistency(old, before, size, wrong_top, continued)
    with pytest.raises(LogProofError):
        verify_consistency(old, wrong_leaf, size, top, continued)


def one_bit_off(proof: Sequence[bytes], data: st.DataObject) -> Iterator[tuple[bytes, ...]]:
    for at, hash_ in enumerate(proof):
        bit = data.draw(st.integers(0, 255))
        changed = bytearray(hash_)
        changed[bit // 8] ^= 1 << bit % 8
        yield (*proof[:at], bytes(changed), *proof[at + 1 :])


def misshapen(proof: tuple[bytes, ...], other: bytes) -> list[tuple[bytes, ...]]:
    """Return what a proof becomes when a hash is lost or added, or all are turned round."""
    faults = [proof[:-1], proof[1:], (*proof, other), (other, *proof), proof[::-1], ()]
    return [fault for fault in faults if fault != proof]


@pytest.mark.parametrize("size", range(1, 18))
def test_an_inclusion_proof_is_good_for_its_own_place_alone(size: int) -> None:
    top = mth(ENTRIES[:size])
    for index in range(size):
        leaf, proof = leaf_hash(ENTRIES[index]), inclusion(index, size)
        for other in set(range(size)) - {index}:
            with pytest.raises(LogProofError):
                verify_inclusion(other, size, leaf, proof, top)
        for fault in misshapen(proof, top):
            with pytest.raises(LogProofError):
                verify_inclusion(index, size, leaf, fault, top)


@pytest.mark.parametrize("size", range(1, 18))
def test_a_consistency_proof_is_good_for_its_own_sizes_alone(size: int) -> None:
    top = mth(ENTRIES[:size])
    for old in range(1, size):
        before, proof = mth(ENTRIES[:old]), consistency(old, size)
        for other in set(range(size + 1)) - {old}:
            with pytest.raises(LogProofError):
                verify_consistency(other, before, size, top, proof)
        for fault in misshapen(proof, top):
            with pytest.raises(LogProofError):
                verify_consistency(old, before, size, top, fault)


def test_what_is_no_tree_is_refused() -> None:
    one, two = mth(ENTRIES[:1]), mth(ENTRIES[:2])
    for old_size, old_root, new_size, new_root, proof in (
        (1, one, 1, two, ()),
        (0, one, 2, two, ()),
        (0, EMPTY_ROOT, 0, one, ()),
        (0, EMPTY_ROOT, 2, two, (one,)),
        (2, two, 2, two, (two,)),
    ):
        with pytest.raises(LogProofError):
            verify_consistency(old_size, old_root, new_size, new_root, proof)
    for index, size, leaf, top in ((0, 0, one, EMPTY_ROOT), (-1, 1, one, one), (1, 1, one, one), (0, 1, one[:-1], one)):
        with pytest.raises(LogProofError):
            verify_inclusion(index, size, leaf, (), top)


def test_sizes_and_hashes_that_cannot_be_are_refused_before_anything_is_hashed() -> None:
    one, two = mth(ENTRIES[:1]), mth(ENTRIES[:2])
    for old_size, old_root, new_size, new_root, proof in (
        (2, two, 1, one, ()),
        (-1, two, 2, two, ()),
        (1, one, MAX_SIZE + 1, two, ()),
        (1, one[:31], 2, two, (leaf_hash(ENTRIES[1]),)),
        (1, one, 2, two, (leaf_hash(ENTRIES[1]) + b"\0",)),
    ):
        with pytest.raises(LogProofError, match="not one between trees of these sizes"):
            verify_consistency(old_size, old_root, new_size, new_root, proof)


def test_a_root_that_only_a_longer_proof_leads_to_is_no_root_of_the_tree() -> None:
    """A root that was made up for the proof: its hashes fit, and are more than the tree has levels."""
    first, second = leaf_hash(ENTRIES[0]), leaf_hash(ENTRIES[1])
    with pytest.raises(LogProofError, match="too many hashes"):
        verify_inclusion(0, 1, second, (first,), node_hash(first, second))
    with pytest.raises(LogProofError, match="too many hashes"):
        verify_consistency(
            1, node_hash(first, first), 2, node_hash(first, node_hash(first, second)), (first, second, first)
        )


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 1), (0, -1), (0, MAX_SIZE + 1)])
def test_no_plan_is_made_for_an_entry_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="tree"):
        inclusion_plan(index, size)


@pytest.mark.parametrize("size", [-1, MAX_SIZE + 1])
def test_no_plan_is_made_for_a_tree_that_cannot_be(size: int) -> None:
    with pytest.raises(ValueError, match="tree"):
        root_plan(size)
    with pytest.raises(ValueError, match="tree"):
        consistency_plan(1, size)
    with pytest.raises(ValueError, match="tree"):
        consistency_plan(2, 1)
    with pytest.raises(ValueError, match="continues none of -1"):
        consistency_plan(-1, 1)


@given(st.integers(1, MAX_SIZE), st.data())
def test_a_plan_for_the_largest_tree_is_small(size: int, data: st.DataObject) -> None:
    old, index = data.draw(st.integers(1, size)), data.draw(st.integers(0, size - 1))
    assert len(root_plan(size).needs) <= 63
    assert len(inclusion_plan(index, size).parts) <= 63
    assert len(consistency_plan(old, size).parts) <= 64


def pieces(leaves: set[int], begin: int, entries: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return the hashes of the largest subtrees without any of the leaves, from left to right."""
    if not leaves & set(range(begin, begin + len(entries))):
        return (mth(entries),)
    if len(entries) == 1:
        return ()
    k = half(entries)
    return (*pieces(leaves, begin, entries[:k]), *pieces(leaves, begin + k, entries[k:]))


@given(st.integers(1, 80), st.data())
def test_several_entries_are_proven_at_once(size: int, data: st.DataObject) -> None:
    chosen = data.draw(st.sets(st.integers(0, size - 1), min_size=1))
    plan = batch_plan(sorted(chosen), size)
    proof = plan.build(hashes_of(plan.needs))
    assert proof == pieces(chosen, 0, ENTRIES[:size])
    leaves, root = {index: leaf_hash(ENTRIES[index]) for index in chosen}, mth(ENTRIES[:size])
    verify_batch(leaves, size, proof, root)
    other = min(chosen)
    for lie in (
        ({**leaves, other: bytes(32)}, proof, root),
        (leaves, (*proof, bytes(32)), root),
        (leaves, proof[1:], root) if proof else (leaves, (bytes(32),), root),
        (leaves, proof, bytes(32)),
        ({}, proof, root),
        ({**leaves, size: bytes(32)}, proof, root),
    ):
        with pytest.raises(LogProofError):
            verify_batch(lie[0], size, lie[1], lie[2])


@pytest.mark.parametrize("indexes", [[1, 1], [2, 1], [5], [-1]])
def test_a_batch_of_no_such_entries_is_refused(indexes: list[int]) -> None:
    with pytest.raises(ValueError, match="no such leaves"):
        batch_plan(indexes, 5)


def test_a_batch_of_a_tree_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="no tree has"):
        batch_plan([], MAX_SIZE + 1)


def test_a_byte_moved_from_one_hash_to_its_neighbour_is_refused() -> None:
    """The node above both is hashed over the same bytes."""
    leaves, proof, root = {0: leaf_hash(ENTRIES[0])}, (leaf_hash(ENTRIES[1]),), mth(ENTRIES[:2])
    verify_batch(leaves, 2, proof, root)
    with pytest.raises(LogProofError):
        verify_batch({0: leaves[0][:-1]}, 2, (leaves[0][-1:] + proof[0],), root)


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

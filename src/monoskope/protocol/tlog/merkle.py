"""The tree of RFC 6962 over SHA-256: its entries, its root, proofs of an entry, and that one tree continues another.

An entry is the outline of a record: all that it says but for its data, of which it has the SHA-256. The data can hold
hashes of secrets, which not every caller may see; who is shown an outline can find its entry in the tree
(docs/protocol.md, The witnessed log).

Nothing here fetches a hash. A plan names the subtrees that it needs, and builds the root or the proof from their
hashes. Sizes and indexes count leaves; they are below 2**63.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from monoskope.protocol.tlog.forms import LogProofError
from monoskope.protocol.wire import serialise
from monoskope.value import Value

if TYPE_CHECKING:
    from monoskope.api.eventsourcing.v1 import event_pb2

HASH_BYTES = 32
MAX_SIZE = 2**63 - 1
"""Leaves of a tree at most."""
EMPTY_ROOT = hashlib.sha256(b"").digest()
"""The root of the tree without leaves (RFC 6962, section 2.1)."""


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of the leaf for `entry`."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node over two subtrees with these hashes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Node(Value, frozen=True, order=True):
    """A perfect subtree: the 2**level leaves from `index * 2**level` on. At level 0 it is one leaf."""

    level: int
    index: int


class RootPlan(Value, frozen=True):
    """How a root is built."""

    needs: tuple[Node, ...]
    """The subtrees whose hashes it takes."""

    def build(self, hashes: Mapping[Node, bytes]) -> bytes:
        """Return the root. Raises `KeyError` for a needed node without a hash."""
        return _fold(self.needs, hashes)


class ProofPlan(Value, frozen=True):
    """How an inclusion or a consistency proof is built."""

    parts: tuple[tuple[Node, ...], ...]
    """For each hash of the proof, the subtrees from left to right that it is over."""

    @property
    def needs(self) -> tuple[Node, ...]:
        """The subtrees whose hashes it takes, each once."""
        return tuple(node for part in self.parts for node in part)

    def build(self, hashes: Mapping[Node, bytes]) -> tuple[bytes, ...]:
        """Return the hashes of the proof. Raises `KeyError` for a needed node without a hash."""
        return tuple(_fold(part, hashes) for part in self.parts)


def root_plan(size: int) -> RootPlan:
    """Return how the root of the tree of the first `size` leaves is built. Raises `ValueError` for no size."""
    _check_size(size)
    return RootPlan(_perfect(0, size))


def inclusion_plan(index: int, size: int) -> ProofPlan:
    """Return how it is proven that the leaf `index` is in the tree of `size` leaves (RFC 6962, section 2.1.1).

    Raises `ValueError` if there is no such leaf.
    """
    _check_size(size)
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    return _proof_over(_descent(index, size, 0)[1])


def batch_plan(indexes: Sequence[int], size: int) -> ProofPlan:
    """Return how the proof is built that all these leaves are in the tree of `size` leaves.

    Its hashes are those of the largest subtrees of RFC 6962 without any of the leaves, from left to right. Raises
    `ValueError` if the indexes are not ascending, each once, or not all of this tree.
    """
    _check_size(size)
    if any(not 0 <= index < size for index in indexes) or any(one >= other for one, other in pairwise(indexes)):
        raise ValueError(f"a tree of {size} leaves has no such leaves, in this order")
    return ProofPlan(tuple(_perfect(begin, end) for begin, end in _beside(indexes, size)))


def consistency_plan(old: int, new: int) -> ProofPlan:
    """Return how the proof is built that the tree of `new` leaves continues the one of `old` (RFC 6962, section 2.1.2).

    The proof has no hashes if the sizes are equal or `old` is 0. Raises `ValueError` if `old` is larger than `new`.
    """
    _check_size(new)
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} leaves continues none of {old}")
    if old == 0:
        return ProofPlan(())
    last, parts = _descent(old - 1, new, old)
    # A part from 0 on is the old tree as a whole, whose root the verifier has.
    return _proof_over([*parts, last] if last[0] > 0 else parts)


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Verify that the leaf with the hash `leaf` stands at `index` of the tree with `size` leaves and this root.

    The algorithm is that of RFC 9162, section 2.1.3.2.

    Raises:
        LogProofError: it does not.
    """
    if not (0 <= index < size <= MAX_SIZE and _are_hashes(leaf, root, *proof)):
        raise LogProofError("the inclusion proof is not one for an entry of this tree")
    place, last, found = index, size - 1, leaf
    for hash_ in proof:
        if last == 0:
            raise LogProofError("the inclusion proof has too many hashes")
        if place & 1 or place == last:
            found = node_hash(hash_, found)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, hash_)
        place, last = place >> 1, last >> 1
    if last != 0 or found != root:
        raise LogProofError("the inclusion proof does not lead to the root of the tree")


def verify_batch(leaves: Mapping[int, bytes], size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Verify that all leaves, by their indexes, are in the tree with `size` leaves and this root (`batch_plan`).

    Raises:
        LogProofError: they are not.
    """
    indexes = sorted(leaves)
    if not indexes or not 0 <= indexes[0] <= indexes[-1] < size <= MAX_SIZE:
        raise LogProofError("the proof of several entries is not one for entries of this tree")
    parts = list(_beside(indexes, size))
    if len(parts) != len(proof) or not _are_hashes(root, *leaves.values(), *proof):
        raise LogProofError("the proof of several entries has not the hashes that it takes")
    given = dict(zip(parts, proof, strict=True))

    def built(begin: int, end: int) -> bytes:
        if (begin, end) in given:
            return given[begin, end]
        if end - begin == 1:
            return leaves[begin]
        middle = begin + _left_of(end - begin)
        return node_hash(built(begin, middle), built(middle, end))

    if built(0, size) != root:
        raise LogProofError("the proof of several entries does not lead to the root of the tree")


def verify_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Verify that the tree of `new_size` leaves begins with all leaves of the one of `old_size`.

    The algorithm is that of RFC 9162, section 2.1.4.2.

    Raises:
        LogProofError: it does not, or a root is not one of its size.
    """
    if not (0 <= old_size <= new_size <= MAX_SIZE and _are_hashes(old_root, new_root, *proof)):
        raise LogProofError("the consistency proof is not one between trees of these sizes")
    for size, root in ((old_size, old_root), (new_size, new_root)):
        if size == 0 and root != EMPTY_ROOT:
            raise LogProofError("the root of a tree without entries is another one")
    if old_size in {0, new_size}:
        if proof:
            raise LogProofError("the consistency proof has hashes where none are needed")
        if old_size == new_size and old_root != new_root:
            raise LogProofError("two trees of one size have two roots")
        return
    if _folded(old_size, old_root, new_size, proof) != (old_root, new_root):
        raise LogProofError("the consistency proof does not lead to the roots of the two trees")


def _folded(old_size: int, old_root: bytes, new_size: int, proof: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return the roots of both trees to which `proof` leads."""
    # A perfect old tree is itself the first part of the new one, so a proof leaves its root out.
    parts = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    place, last = old_size - 1, new_size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    if not parts:
        raise LogProofError("the consistency proof has too few hashes")
    old = new = parts[0]
    for hash_ in parts[1:]:
        if last == 0:
            raise LogProofError("the consistency proof has too many hashes")
        if place & 1 or place == last:
            old, new = node_hash(hash_, old), node_hash(hash_, new)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, hash_)
        place, last = place >> 1, last >> 1
    if last != 0:
        raise LogProofError("the consistency proof has too few hashes")
    return old, new


def _check_size(size: int) -> None:
    if not 0 <= size <= MAX_SIZE:
        raise ValueError(f"no tree has {size} leaves")


def _are_hashes(*hashes: bytes) -> bool:
    return all(len(hash_) == HASH_BYTES for hash_ in hashes)


def _descent(index: int, size: int, stop: int) -> tuple[tuple[int, int], list[tuple[int, int]]]:
    """Walk from the root to the leaf `index`, or to the subtree that ends at `stop`; return it and what is beside."""
    begin, end = 0, size
    beside: list[tuple[int, int]] = []
    while end - begin > 1 and end > stop:
        middle = begin + _left_of(end - begin)
        if index < middle:
            beside.append((middle, end))
            end = middle
        else:
            beside.append((begin, middle))
            begin = middle
    return (begin, end), beside


def _beside(indexes: Sequence[int], size: int) -> Iterator[tuple[int, int]]:
    """Yield the largest subtrees of RFC 6962 without any of these leaves, from left to right."""
    open_: list[tuple[int, int, int, int]] = [(0, size, 0, len(indexes))] if size else []
    while open_:
        begin, end, low, high = open_.pop()
        if low == high:
            yield begin, end
        elif end - begin > 1:
            middle = begin + _left_of(end - begin)
            cut = bisect_left(indexes, middle, low, high)
            open_ += [(middle, end, cut, high), (begin, middle, low, cut)]


def _left_of(count: int) -> int:
    """Return how many of `count` leaves, at least two, are in the left subtree: the largest power of two below it."""
    return 1 << (count - 1).bit_length() - 1


def _perfect(begin: int, end: int) -> tuple[Node, ...]:
    """Return the largest perfect subtrees that make up a subtree of RFC 6962, from left to right."""
    nodes: list[Node] = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        nodes.append(Node(level, begin >> level))
        begin += 1 << level
    return tuple(nodes)


def _fold(nodes: Sequence[Node], hashes: Mapping[Node, bytes]) -> bytes:
    """Return the hash over perfect subtrees from left to right, each smaller than the one before it."""
    if not nodes:
        return EMPTY_ROOT
    found = hashes[nodes[-1]]
    for node in reversed(nodes[:-1]):
        found = node_hash(hashes[node], found)
    return found


def _proof_over(parts: Sequence[tuple[int, int]]) -> ProofPlan:
    """Return the plan for a proof over ranges of leaves that were met from the root on downwards."""
    return ProofPlan(tuple(_perfect(begin, end) for begin, end in reversed(parts)))


def outline(record: event_pb2.Event) -> bytes:
    """Return the serialised outline of a record."""
    return serialise(
        type(record)(  # verifying loads no messages
            position=record.position,
            stream=record.stream,
            version=record.version,
            type=record.type,
            recorded_at_ms=record.recorded_at_ms,
            actor=record.actor,
            previous_hash=record.previous_hash,
            data_sha256=hashlib.sha256(record.data).digest(),
            uri=record.uri,
            detail=record.detail,
        )
    )

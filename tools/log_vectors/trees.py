"""Vectors of trees and proofs about them. Entry number n is the SHA-256 of n in decimal."""

from __future__ import annotations

from tools.log_vectors.made import Vector, b64, consistency, entries, flipped, path, root, sha256

SIZES = (1, 2, 3, 4, 5, 7, 8, 9, 64, 65, 255, 256, 257, 600)
PLACES = (
    (0, 1),
    (0, 2),
    (1, 2),
    (2, 3),
    (4, 5),
    (3, 7),
    (6, 7),
    (7, 8),
    (8, 9),
    (255, 256),
    (256, 257),
    (300, 600),
    (599, 600),
)
STEPS = (
    (1, 1),
    (1, 2),
    (2, 3),
    (3, 3),
    (3, 7),
    (4, 7),
    (6, 7),
    (7, 8),
    (4, 8),
    (8, 9),
    (65, 256),
    (255, 257),
    (256, 600),
    (511, 600),
)


def roots() -> list[Vector]:
    """Return the roots of trees."""
    return [{"name": f"{size} entries", "size": size, "root": b64(root(entries(size)))} for size in (0, *SIZES)]


def inclusions() -> list[Vector]:
    """Return the vectors of inclusion proofs."""
    good = [_inclusion(f"{index} of {size}", index, size) for index, size in PLACES]
    proof, top = path(3, entries(7)), root(entries(7))
    faults: dict[str, Vector] = {
        "the first hash is missing": {"proof": proof[1:]},
        "the last hash is missing": {"proof": proof[:-1]},
        "no hash": {"proof": []},
        "a hash too many at the end": {"proof": [*proof, top]},
        "a hash too many at the beginning": {"proof": [top, *proof]},
        "turned round": {"proof": proof[::-1]},
        "two hashes changed places": {"proof": [proof[1], proof[0], proof[2]]},
        **{
            f"one bit of hash {n}": {"proof": [flipped(h, n) if n == m else h for m, h in enumerate(proof)]}
            for n in range(3)
        },
        "another index": {"index": 2},
        "an index behind the tree": {"index": 7},
        "a size with one level less": {"size": 4},
        "a size with one more level": {"size": 9},
        "another root": {"root": flipped(top)},
        "another leaf": {"leaf": sha256(b"\0" + entries(3)[2])},
        "the entry in place of the leaf": {"leaf": entries(4)[3]},
        "a hash of 31 bytes": {"proof": [proof[0][:-1], *proof[1:]]},
        "of a tree of no entry": {"index": 0, "size": 0, "proof": [], "root": root([])},
    }
    return good + [_inclusion(name, 3, 7, fault) for name, fault in faults.items()]


def _inclusion(name: str, index: int, size: int, fault: Vector | None = None) -> Vector:
    made = {
        "index": index,
        "size": size,
        "leaf": sha256(b"\0" + entries(index + 1)[index]),
        "root": root(entries(size)),
        "proof": path(index, entries(size)),
        **(fault or {}),
    }
    return {"name": name, **_shown(made), "expected": {"fault": "TREE"} if fault else {}}


def consistencies() -> list[Vector]:
    """Return the vectors of consistency proofs."""
    good = [_consistency(f"{old} to {new}", old, new) for old, new in STEPS]
    good.append(_consistency("0 to 7", 0, 7, {"proof": []}, good=True))
    proof, old, top = consistency(6, entries(7)), root(entries(6)), root(entries(7))
    faults: dict[str, Vector] = {
        "the first hash is missing": {"proof": proof[1:]},
        "the last hash is missing": {"proof": proof[:-1]},
        "no hash": {"proof": []},
        "a hash too many at the end": {"proof": [*proof, top]},
        "a hash too many at the beginning": {"proof": [old, *proof]},
        "turned round": {"proof": proof[::-1]},
        **{
            f"one bit of hash {n}": {"proof": [flipped(h, n) if n == m else h for m, h in enumerate(proof)]}
            for n in range(len(proof))
        },
        "another old root": {"old_root": flipped(old)},
        "another new root": {"new_root": flipped(top)},
        "both roots of another tree": {"old_root": root(entries(5)), "new_root": root(entries(6))},
        "sizes changed places": {"old_size": 7, "old_root": top, "new_size": 6, "new_root": old},
        "another old size": {"old_size": 5},
        "another new size": {"new_size": 9},
        "one size, two roots": {"old_size": 7, "proof": []},
        "one size, and a hash": {"old_size": 7, "old_root": top, "proof": [top]},
        "from 0, and a hash": {"old_size": 0, "old_root": root([]), "proof": [top]},
        "from 0 with another root": {"old_size": 0, "proof": []},
        "a hash of 33 bytes": {"proof": [proof[0] + b"\0", *proof[1:]]},
    }
    return good + [_consistency(name, 6, 7, fault) for name, fault in faults.items()]


def _consistency(name: str, old: int, new: int, change: Vector | None = None, *, good: bool = False) -> Vector:
    made = {
        "old_size": old,
        "old_root": root(entries(old)),
        "new_size": new,
        "new_root": root(entries(new)),
        "proof": [] if old == 0 else consistency(old, entries(new)),
        **(change or {}),
    }
    return {"name": name, **_shown(made), "expected": {} if good or change is None else {"fault": "TREE"}}


def _shown(made: Vector) -> Vector:
    return {name: _text(value) for name, value in made.items()}


def _text(value: object) -> object:
    if isinstance(value, list):
        return [b64(each) for each in value]
    return b64(value) if isinstance(value, bytes) else value

"""What a former identity signed: it counts if it stood in the tree that the step from that identity names."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from monoskope.api.secrets.v1 import identity_pb2
from monoskope.errors import Error
from monoskope.protocol.former import check_before, former, step_from
from monoskope.protocol.identity import MAX_STEPS, ProofError, Rotation, Tree
from monoskope.protocol.tlog.merkle import leaf_hash, node_hash
from monoskope.testing.cluster.identities import Identity

LEAVES = [leaf_hash(bytes([n])) for n in range(3)]
ROOT = node_hash(node_hash(LEAVES[0], LEAVES[1]), LEAVES[2])
TREE = Tree(3, ROOT)
A, B, C, THIEF = (Identity() for _ in range(4))
ONE = A.rotate(B, "vault", tree=TREE)
TWO = B.rotate(C, "vault", after=ONE)
Steps = list[identity_pb2.SignedRotation]


def found(*steps: identity_pb2.SignedRotation, pin: Identity = C) -> dict[str, Rotation]:
    return dict(former(pin.shown, steps, store="vault"))


def test_the_identities_before_the_pin_are_those_of_the_chain_that_its_key_signed() -> None:
    assert set(found(ONE, TWO)) == {A.shown, B.shown}
    assert found(ONE, TWO)[A.shown].tree == TREE
    assert set(found(ONE, TWO, pin=B)) == {A.shown}
    assert found(ONE, TWO, pin=A) == {}
    assert found(pin=A) == {}


def _with_two_former_keys() -> Steps:
    """A thief of A and B signs another step between them, which names a tree with what the thief has made."""
    return [A.rotate(B, "vault", tree=Tree(9, bytes(32))), TWO]


def _with_a_key_of_its_own() -> Steps:
    return [THIEF.rotate(B, "vault", tree=TREE), TWO]


@pytest.mark.parametrize(
    "steps",
    [
        _with_two_former_keys,
        _with_a_key_of_its_own,
        lambda: [TWO],
        lambda: [THIEF.rotate(A, "vault"), TWO],
    ],
    ids=["another step between former keys", "an invented identity", "the step hidden", "a step to somewhere else"],
)
def test_a_step_that_the_next_one_does_not_name_makes_no_identity_a_former_one(steps: Callable[[], Steps]) -> None:
    assert set(found(*steps())) == {B.shown}


def test_steps_in_any_other_order_are_the_same_chain() -> None:
    assert set(found(TWO, ONE)) == {A.shown, B.shown}


@pytest.mark.parametrize("field", ["old_signature", "new_signature"])
def test_a_step_that_does_not_verify_is_an_error(field: str) -> None:
    broken = identity_pb2.SignedRotation()
    broken.CopyFrom(TWO)
    setattr(broken, field, ONE.old_signature)
    with pytest.raises(ProofError):
        found(ONE, broken)
    with pytest.raises(ProofError, match="another store"):
        former(C.shown, [B.rotate(C, "local")], store="vault")


def test_no_more_than_64_steps_lead_to_the_pin() -> None:
    last, steps = Identity(), Steps()
    for _ in range(MAX_STEPS + 1):
        following = Identity()
        steps.append(last.rotate(following, "vault", after=steps[-1] if steps else None))
        last = following
    assert len(found(*steps[1:], pin=last)) == MAX_STEPS
    with pytest.raises(ProofError, match="more than 64"):
        found(*steps, pin=last)


PROOF = (LEAVES[1], LEAVES[2])
"""That the first leaf is in the tree."""


@pytest.mark.parametrize(
    ("tree", "index", "leaf", "proof"),
    [
        (None, 0, LEAVES[0], PROOF),
        (TREE, 3, LEAVES[0], PROOF),
        (TREE, 1, LEAVES[0], PROOF),
        (TREE, 0, leaf_hash(b"recorded late"), PROOF),
        (TREE, 0, LEAVES[0], ()),
        (Tree(3, bytes(32)), 0, LEAVES[0], PROOF),
        (Tree(2, ROOT), 0, LEAVES[0], PROOF),
    ],
    ids=["no tree", "behind the tree", "another place", "another record", "no proof", "another root", "another size"],
)
def test_what_the_tree_does_not_show_was_not_there_before(
    tree: Tree | None, index: int, leaf: bytes, proof: tuple[bytes, ...]
) -> None:
    step = Rotation("vault", A.shown, B.shown, TREE, b"")
    check_before(step, index=0, leaf=LEAVES[0], proof=PROOF)
    with pytest.raises(Error):
        check_before(Rotation("vault", A.shown, B.shown, tree, b""), index=index, leaf=leaf, proof=proof)


def test_the_step_from_an_identity_is_found_by_what_it_says() -> None:
    step = step_from(A.shown, [TWO, ONE])
    assert step is not None
    assert (step.log_size, step.log_root) == (3, ROOT)
    assert step_from(C.shown, [TWO, ONE]) is None

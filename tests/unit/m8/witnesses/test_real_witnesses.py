"""The real litewitness cosigns our checkpoints, and refuses what it must; m8 finds its way back to it each time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from monoskope.m8.witnesses.witnesses import Witnesses
from monoskope.protocol.tlog.checkpoint import VerifierKey
from monoskope.protocol.tlog.note import Note
from monoskope.testing.engines.litewitness import Litewitness
from tests.support.memory_tree import MemoryTree
from tests.support.witness_servers import Asking, WitnessServer, real_witness

Real = tuple[Litewitness, WitnessServer]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Real, Real]]:
    folder = tmp_path_factory.mktemp("witnesses")
    with real_witness(folder, "witness.example/one") as one, real_witness(folder, "witness.example/two") as two:
        yield one, two


async def cosigned(witnesses: Witnesses, tree: MemoryTree, vkeys: list[str]) -> Note:
    """Return the note with the cosignatures of all these keys."""
    asked = await witnesses.cosign(tree.note(), tree)
    assert ([state.trouble for state in asked.witnesses], asked.stop) == (["" for _ in vkeys], "")
    assert [each.vkey for each in asked.cosignatures] == vkeys
    whole = Note.parse(tree.note() + "".join(f"{each.line}\n" for each in asked.cosignatures).encode())
    assert len(whole.verified([VerifierKey.parse(vkey) for vkey in vkeys])) == len(vkeys)
    return whole


async def test_two_real_witnesses_cosign_each_checkpoint_of_a_growing_log(
    pair: tuple[Real, Real], asking: Asking, tree: MemoryTree
) -> None:
    """Both verify our notes with two signatures, and our consistency proofs; m8 verifies theirs."""
    for witness, _ in pair:
        witness.know(tree.key.origin, str(tree.key.vkeys[0]))
    async with asking(*((server, witness.vkey) for witness, server in pair), quorum=2) as witnesses:
        tree.length = 1
        whole = await cosigned(witnesses, tree, [witness.vkey for witness, _ in pair])
        for tree.length in (5, 5, 9, 64):
            whole = await cosigned(witnesses, tree, [witness.vkey for witness, _ in pair])
        # They are not asked for what they have signed already.
        before = [len(server.asked) for _, server in pair]
        again = await witnesses.cosign(bytes(whole), tree)
        assert (again.cosignatures, again.stop) == ((), "")
        assert [len(server.asked) for _, server in pair] == before
    assert all(witness.known()[tree.key.origin]["size"] == 64 for witness, _ in pair)
    # Fact of ADR 55: it shows no checkpoint where c2sp.org/tlog-witness says that it should.
    async with asking((pair[0][1], pair[0][0].vkey)) as witnesses:
        assert await witnesses.published(tree) == []


async def test_a_witness_that_does_not_know_the_log_says_what_its_operator_must_do(
    pair: tuple[Real, Real], asking: Asking, tree: MemoryTree
) -> None:
    (witness, server), _ = pair
    async with asking((server, witness.vkey)) as witnesses:
        asked = await witnesses.cosign(tree.note(), tree)
    assert (asked.cosignatures, asked.stop) == ((), "")
    assert "the Ed25519 vkey that m8 log key prints" in asked.witnesses[0].trouble


async def test_a_witness_that_was_wiped_and_one_that_comes_back_cosign_again(
    tmp_path: Path, asking: Asking, tree: MemoryTree
) -> None:
    with real_witness(tmp_path, "witness.example/three") as (witness, server):
        witness.know(tree.key.origin, str(tree.key.vkeys[0]))
        async with asking((server, witness.vkey)) as witnesses:
            assert (await witnesses.cosign(tree.note(), tree)).cosignatures
            witness.kill()
            tree.length = 8
            gone = await witnesses.cosign(tree.note(), tree)
            assert (gone.cosignatures, gone.stop) == ((), "")
            assert "m8 asks it again" in gone.witnesses[0].trouble
            witness.wipe()
            witness.start()
            witness.know(tree.key.origin, str(tree.key.vkeys[0]))
            assert (await witnesses.cosign(tree.note(), tree)).cosignatures
            assert witness.known()[tree.key.origin]["size"] == 8


async def test_a_log_that_was_rolled_back_gets_no_cosignature_and_says_so(
    tmp_path: Path, asking: Asking, tree: MemoryTree
) -> None:
    """This litewitness shows no checkpoint that would prove it, so m8 goes on, without this witness."""
    with real_witness(tmp_path, "witness.example/four") as (witness, server):
        witness.know(tree.key.origin, str(tree.key.vkeys[0]))
        async with asking((server, witness.vkey)) as witnesses:
            assert (await witnesses.cosign(tree.note(), tree)).cosignatures
        tree.length = 3
        async with asking((server, witness.vkey)) as witnesses:
            behind = await witnesses.cosign(tree.note(), tree)
        assert (behind.cosignatures, behind.stop) == ((), "")
        assert "cosigned a checkpoint of position 5, and this log has only come to 3" in behind.witnesses[0].trouble
        forked = MemoryTree(tree.key, 9, seed=1)
        async with asking((server, witness.vkey)) as witnesses:
            refused = await witnesses.cosign(forked.note(), forked)
        assert (refused.cosignatures, refused.stop) == ((), "")
        assert "does not continue the checkpoint which it cosigned last" in refused.witnesses[0].trouble
        assert witness.known()[tree.key.origin]["size"] == 5

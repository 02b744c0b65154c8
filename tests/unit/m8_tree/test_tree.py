"""The tree that m8 builds is that of RFC 6962 over the hashes of the records, at every size and from tiles alone."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.tree.tree import TilesDamagedError, Tree, TreeBehindError, grow_tree, rebuild_tree
from monoskope.protocol.tlog.merkle import leaf_hash, verify_consistency, verify_inclusion
from monoskope.testing.logs import some_time
from tests.support.checkpoints import grown, root_of

LARGE = 65_536 + 300


class Counted(SqliteLog):
    """A log whose records are not there, but their hashes: to have many of them takes no time."""

    async def hashes(self, *, after: int, limit: int) -> list[bytes]:
        return [counted(position) for position in range(after + 1, min(after + limit, LARGE) + 1)]


def counted(position: int) -> bytes:
    return hashlib.sha256(b"%d" % position).digest()


async def built(log: SqliteLog, upto: int) -> Tree:
    while await grow_tree(log, upto=upto) < upto:
        pass
    return Tree(log)


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    log = await Counted.open(tmp_path / "log.db", clock=some_time)
    yield log
    await log.close()


async def test_roots_and_proofs_of_every_shape_are_those_of_the_rfc(log: SqliteLog) -> None:
    """Grown in pieces that end anywhere, and asked for sizes on both sides of each border of a tile."""
    entries = [counted(position) for position in range(1, 701)]
    for upto in (1, 2, 3, 255, 256, 257, 511, 512, 513, 700):
        tree = await built(log, upto)
        assert await tree.size() == upto
        assert await tree.root(upto) == root_of(entries[:upto])
    tree = Tree(log)
    for size in (1, 2, 3, 7, 8, 255, 256, 257, 300, 511, 512, 513, 699, 700):
        root = root_of(entries[:size])
        assert await tree.root(size) == root, "an earlier tree is in the later one's tiles"
        for index in {0, size // 2, size - 1}:
            verify_inclusion(index, size, leaf_hash(entries[index]), await tree.inclusion(index, size), root)
        proof = await tree.consistency(size, 700)
        verify_consistency(size, root, 700, root_of(entries), proof)


async def test_a_tree_of_three_levels_of_tiles_is_whole(log: SqliteLog) -> None:
    """65,536 records fill a tile of level 1. One level's tile is made of the hashes of 256 full ones below it."""
    tree = await built(log, LARGE)
    entries = [counted(position) for position in range(1, LARGE + 1)]
    assert await tree.root(LARGE) == root_of(entries)
    verify_inclusion(70, LARGE, leaf_hash(entries[70]), await tree.inclusion(70, LARGE), root_of(entries))
    kept = await log.tiles([(2, 0), (1, 0), (1, 1), (0, 256), (0, 257)])
    assert {key: len(body) // 32 for key, body in kept.items()} == {
        (2, 0): 1,
        (1, 0): 256,
        (1, 1): 1,
        (0, 256): 256,
        (0, 257): 44,
    }


async def test_what_is_not_built_yet_is_not_proven(log: SqliteLog) -> None:
    tree = await built(log, 10)
    for asked in (tree.root(11), tree.inclusion(3, 11), tree.consistency(5, 300)):
        with pytest.raises(TreeBehindError):
            await asked


async def test_to_tiles_that_make_no_tree_nothing_is_added(log: SqliteLog, tmp_path: Path) -> None:
    """Somebody took a tile out of the database. A rebuild, which reads none, makes it anew."""
    await built(log, 600)
    with closing(sqlite3.connect(tmp_path / "log.db", isolation_level=None)) as database:
        database.execute("DELETE FROM tree_tiles WHERE level = 1")
    with pytest.raises(TilesDamagedError, match="damaged") as caught:
        await grow_tree(log, upto=700)
    assert "m8 readmodels rebuild" in (caught.value.fix or "")
    assert await rebuild_tree(log, upto=600) == 600
    assert await (await built(log, 700)).root(700) == root_of([counted(position) for position in range(1, 701)])


async def test_a_rebuild_makes_every_tile_anew_while_others_read_and_add(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "log.db", clock=some_time)
    entries = await grown(log, 300)
    tree = await built(log, 300)
    await log.put_tiles({(0, 0): bytes(256 * 32)})
    assert await tree.root(10) != root_of(entries[:10])
    entries += await grown(log, 5)
    await built(log, 305)
    assert await rebuild_tree(log, upto=305) == 305
    assert await tree.root(10) == root_of(entries[:10])
    assert await tree.root(305) == root_of(entries)
    await log.close()

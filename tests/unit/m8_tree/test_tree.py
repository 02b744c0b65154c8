"""The tree is that of RFC 6962 at every size, and `m8 events verify` finds whatever of the log was changed."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from monoskope.errors import Error
from monoskope.m8.backup.create import Making
from monoskope.m8.backup.restore import Checking, restore
from monoskope.m8.log.event_log import LogTamperedError
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.log.tree_rows import Named
from monoskope.m8.tree.key_file import renew
from monoskope.m8.tree.signing import BehindError, LastSigned, Signer
from monoskope.m8.tree.tree import TilesDamagedError, Tree, TreeBehindError, grow_tree, rebuild_tree
from monoskope.m8.tree.verifying import Verified, verified
from monoskope.protocol.tlog.checkpoint import Checkpoint
from monoskope.protocol.tlog.log_key import LogKey
from monoskope.protocol.tlog.merkle import leaf_hash, verify_consistency, verify_inclusion
from monoskope.protocol.tlog.note import Note
from monoskope.testing.logs import some_time
from tests.support.checkpoints import ORIGIN, cosigned, grown, root_of
from tests.support.failures import failure

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
async def large(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    log = await Counted.open(tmp_path / "log.db", clock=some_time)
    yield log
    await log.close()


async def test_roots_and_proofs_of_every_shape_are_those_of_the_rfc(large: SqliteLog) -> None:
    """Grown in pieces that end anywhere, and asked for sizes on both sides of each border of a tile."""
    entries = [counted(position) for position in range(1, 701)]
    for upto in (1, 2, 3, 255, 256, 257, 511, 512, 513, 700):
        tree = await built(large, upto)
        assert await tree.size() == upto
        assert await tree.root(upto) == root_of(entries[:upto])
    tree = Tree(large)
    for size in (1, 2, 3, 7, 8, 255, 256, 257, 300, 511, 512, 513, 699, 700):
        root = root_of(entries[:size])
        assert await tree.root(size) == root, "an earlier tree is in the later one's tiles"
        for index in {0, size // 2, size - 1}:
            verify_inclusion(index, size, leaf_hash(entries[index]), await tree.inclusion(index, size), root)
        proof = await tree.consistency(size, 700)
        verify_consistency(size, root, 700, root_of(entries), proof)


async def test_a_tree_of_three_levels_of_tiles_is_whole(large: SqliteLog) -> None:
    """65,536 records fill a tile of level 1. One level's tile is made of the hashes of 256 full ones below it."""
    tree = await built(large, LARGE)
    entries = [counted(position) for position in range(1, LARGE + 1)]
    assert await tree.root(LARGE) == root_of(entries)
    verify_inclusion(70, LARGE, leaf_hash(entries[70]), await tree.inclusion(70, LARGE), root_of(entries))
    kept = await large.tiles([(2, 0), (1, 0), (1, 1), (0, 256), (0, 257)])
    assert {key: len(body) // 32 for key, body in kept.items()} == {
        (2, 0): 1,
        (1, 0): 256,
        (1, 1): 1,
        (0, 256): 256,
        (0, 257): 44,
    }


async def test_what_is_not_built_yet_is_not_proven(large: SqliteLog) -> None:
    tree = await built(large, 10)
    for asked in (tree.root(11), tree.inclusion(3, 11), tree.consistency(5, 300)):
        await failure(TreeBehindError, asked)


async def test_to_tiles_that_make_no_tree_nothing_is_added(large: SqliteLog, tmp_path: Path) -> None:
    """Somebody took a tile out of the database. A rebuild, which reads none, makes it anew."""
    await built(large, 600)
    with closing(sqlite3.connect(tmp_path / "log.db", isolation_level=None)) as database:
        database.execute("DELETE FROM tree_tiles WHERE level = 1")
    caught = await failure(TilesDamagedError, grow_tree(large, upto=700), "damaged")
    assert "m8 readmodels rebuild" in (caught.fix or "")
    assert await rebuild_tree(large, upto=600) == 600
    assert await (await built(large, 700)).root(700) == root_of([counted(position) for position in range(1, 701)])


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


KEY = LogKey.make(ORIGIN)
NAMED = Named(1, ORIGIN, tuple(map(str, KEY.vkeys)), 1)
SEALED = b"sealed bytes"


async def signed(log: SqliteLog, folder: Path, key: LogKey = KEY, named: Named = NAMED) -> bytes:
    await grow_tree(log, upto=await log.head())
    return (await Signer(log, LastSigned(folder), some_time).sign(key, named)).note


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    """Two checkpoints, of 3 and of 303 records; the first one is cosigned."""
    log = await SqliteLog.open(tmp_path / "log.db", clock=some_time)
    await log.give_name(NAMED)
    await grown(log, 3)
    note = await signed(log, tmp_path)
    await log.keep_cosignatures(1, 3, [cosigned(note)])
    await grown(log, 300)
    await signed(log, tmp_path)
    yield log
    await log.close()


async def verify(log: SqliteLog, folder: Path) -> Verified:
    return await verified(log, await log.check_chain(), LastSigned(folder).read())


async def test_a_log_that_was_renewed_rebuilt_and_moved_verifies_whole(log: SqliteLog, tmp_path: Path) -> None:
    """Names, checkpoints and cosignatures go with the records; the tree is made anew from them."""
    assert await verify(log, tmp_path) == Verified(1, 2, 1)
    named = await renew(log, tmp_path, reason="A test.", at_ms=5)
    key = LogKey.from_pem((tmp_path / "log.key").read_bytes())
    await signed(log, tmp_path, key, named)
    await log.rebuild()
    assert await verify(log, tmp_path) == Verified(2, 3, 1)
    moved = await SqliteLog.open(tmp_path / "moved.db", clock=some_time, for_import=True)
    making = Making(log, created_at_ms=1, log_id="", engine="sqlite", version="0")
    await restore(Checking(making.pieces()), moved)
    assert await verify(moved, tmp_path) == Verified(2, 3, 1)
    assert await moved.names() == await log.names()
    assert await moved.checkpoints(1, after=0, limit=10) == await log.checkpoints(1, after=0, limit=10)
    assert not await moved.claim(2, 303, bytes(32), at_ms=1), "what was claimed stays claimed"
    await grown(moved, 1)
    await rebuild_tree(moved, upto=304)
    await signed(moved, tmp_path, key, named)
    await moved.close()


async def test_erased_sealed_bytes_are_no_part_of_it(log: SqliteLog, tmp_path: Path) -> None:
    """A policy of retention erases them; records keep their SHA-256, so chain and tree hold as before."""
    await log.append("sealed", 0, [(await log.read(after=0, limit=1))[0]], actor="a", sealed=SEALED)  # type: ignore[list-item] # it has what a new event has
    await signed(log, tmp_path)
    assert await log.erase_sealed([hashlib.sha256(SEALED).digest()]) == 1
    assert await verify(log, tmp_path) == Verified(1, 3, 1)


CHANGES = {
    "a tile": "UPDATE tree_tiles SET body = zeroblob(length(body)) WHERE level = 0 AND number = 0",
    "a tile above": "UPDATE tree_tiles SET body = zeroblob(length(body)) WHERE level = 1",
    "a root": "UPDATE checkpoints SET root = zeroblob(32) WHERE size = 3",
    "a size": "UPDATE checkpoints SET size = 4 WHERE size = 3",
    "a checkpoint of more records": "UPDATE checkpoints SET size = 304 WHERE size = 303",
    "a note of another size": "UPDATE checkpoints SET note = (SELECT max(note) FROM checkpoints)",
    "a signature": "UPDATE checkpoints SET note = CAST(replace(note, 'A', 'B') AS BLOB) WHERE size = 3",
    "a missing signature": "UPDATE checkpoints SET note = :single WHERE size = 3",
    "a cosignature": "UPDATE cosignatures SET line = (SELECT replace(line, 'A', 'B') FROM cosignatures)",
    "its time": "UPDATE cosignatures SET at_s = 78",
    "a key": "UPDATE log_names SET vkeys = :other",
}


@pytest.mark.parametrize("change", CHANGES)
async def test_any_change_is_found(log: SqliteLog, tmp_path: Path, change: str) -> None:
    kept = await log.checkpoint(1, at_least=3)
    assert kept is not None
    note = Note.parse(kept.note)
    values = {
        "other": "\n".join(map(str, LogKey.make(ORIGIN).vkeys)),
        "single": bytes(Note(note.text, note.signatures[:1])),
    }
    with closing(sqlite3.connect(tmp_path / "log.db", isolation_level=None)) as database:
        assert (
            database.execute(
                CHANGES[change], {name: value for name, value in values.items() if f":{name}" in CHANGES[change]}
            ).rowcount
            >= 1
        )
    await failure(Error, verify(log, tmp_path), r"does not hold|damaged")


async def test_a_restored_log_that_lacks_what_was_signed_is_told_to_be_renewed(log: SqliteLog, tmp_path: Path) -> None:
    """All that is there holds: this is a loss, and no tampering."""
    LastSigned(tmp_path).advance(KEY.sign(Checkpoint(ORIGIN, 400, bytes(32)), 1), after=LastSigned(tmp_path).read())

    with pytest.raises(BehindError, match=r"ends at position 303, and log\.checkpoint has .* up to 400") as caught:
        await verify(log, tmp_path)

    assert "If records are lost for good, run: m8 log renew" in caught.value.fix


async def test_a_log_rewritten_as_a_whole_is_found_by_its_checkpoints(log: SqliteLog, tmp_path: Path) -> None:
    """All hashes of the chain are right. The checkpoints, in the database and outside of it, are of other records."""
    other = await SqliteLog.open(tmp_path / "other.db", clock=some_time)
    await grown(other, 303, stream="other")
    assert await other.check_chain() == 303
    await other.import_names(await log.names(), await log.checkpoints(1, after=0, limit=10))
    with pytest.raises(LogTamperedError, match="position 3: the records up to there are not those that a checkpoint"):
        await verify(other, tmp_path)
    without = await SqliteLog.open(tmp_path / "without.db", clock=some_time)
    await grown(without, 400, stream="other")
    await without.import_names([NAMED], ())
    await failure(LogTamperedError, verify(without, tmp_path), r"that log\.checkpoint was signed for")
    await other.close()
    await without.close()

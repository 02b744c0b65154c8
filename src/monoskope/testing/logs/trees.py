"""The suite's part on what strangers hold m8 to: tiles, names, checkpoints and cosignatures beside the events."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.m8.log.event_log import EventLog, no_documents
from monoskope.m8.log.tree_rows import Checkpoint, Cosignature, Named
from monoskope.protocol.tlog.merkle import outline
from monoskope.testing.log_writer import LogOpener
from monoskope.testing.logs.harness import LogHarness, some
from monoskope.times import now_ms

FIRST = Named(1, "monoskope/0123456789abcdef", ("first+key", "second+key"), 5)
SECOND = Named(2, "monoskope/fedcba9876543210", ("third+key",), 6, "the disk was lost", b"a note\n")
ROOT, OTHER = bytes([1]) * 32, bytes([2]) * 32
ONE, TWO = Cosignature("one+key", "\u2014 one c2ln", 100), Cosignature("two+key", "\u2014 two c2ln", 200)


def hashes(number: int, *, seed: int = 0) -> bytes:
    """So many hashes that differ."""
    return b"".join(hashlib.sha256(bytes([seed, index])).digest() for index in range(number))


class Trees(LogHarness):
    """What a log keeps of its tree."""

    async def test_the_hashes_of_records_are_read_in_their_order(self, log: EventLog) -> None:
        """They are what the chain is made of."""
        events = await log.append("a", 0, some(3), actor="tests")
        outlines = [outline(event_pb2.Event.FromString(event.record)) for event in events]
        assert await log.hashes(after=0, limit=10) == [hashlib.sha256(one).digest() for one in outlines]
        assert await log.hashes(after=1, limit=1) == [events[1].hash]
        assert await log.hashes(after=3, limit=1) == []

    async def test_tiles_grow_and_are_read_together(self, log: EventLog) -> None:
        """The tree is as large as its lowest tiles are. What is not there is not returned."""
        assert await log.tree_size() == 0
        assert await log.tiles([(0, 0)]) == {}
        await log.put_tiles({(0, 0): hashes(2)})
        assert await log.tree_size() == 2
        await log.put_tiles({(0, 0): hashes(256), (0, 1): hashes(5, seed=1), (1, 0): hashes(1, seed=2)})
        assert await log.tree_size() == 261
        found = await log.tiles([(0, 0), (0, 1), (1, 0), (1, 1)])
        assert found == {(0, 0): hashes(256), (0, 1): hashes(5, seed=1), (1, 0): hashes(1, seed=2)}

    async def test_a_slower_builder_takes_nothing_away(self, log: EventLog) -> None:
        """A tile with fewer hashes replaces none; one with as many does, as a rebuild needs it."""
        await log.put_tiles({(0, 0): hashes(3)})
        await log.put_tiles({(0, 0): hashes(2)})
        assert await log.tiles([(0, 0)]) == {(0, 0): hashes(3)}
        await log.put_tiles({(0, 0): hashes(3, seed=9)})
        assert await log.tiles([(0, 0)]) == {(0, 0): hashes(3, seed=9)}

    @pytest.mark.parametrize(
        ("key", "body"),
        [((8, 0), bytes(32)), ((0, -1), bytes(32)), ((0, 0), b""), ((0, 0), bytes(31)), ((0, 0), bytes(257 * 32))],
        ids=["level", "index", "empty", "half a hash", "too many"],
    )
    async def test_a_tile_has_its_form(self, log: EventLog, key: tuple[int, int], body: bytes) -> None:
        """What breaks a rule is an error of the caller."""
        with pytest.raises(ValueError, match="tile"):
            await log.put_tiles({key: body})

    async def test_a_log_is_given_one_name_after_the_other(self, log: EventLog) -> None:
        """Each once: of two that give the same number, one does."""
        assert await log.names() == []
        assert not await log.give_name(SECOND)
        given = await asyncio.gather(log.give_name(FIRST), log.give_name(Named(1, "other/log", ("k",), 7)))
        assert sorted(given) == [False, True]
        assert await log.give_name(SECOND)
        names = await log.names()
        assert [name.number for name in names] == [1, 2]
        assert names[1] == SECOND

    async def test_one_root_of_a_size_is_claimed_and_no_smaller_size(self, log: EventLog) -> None:
        """The same claim may be made again: its process may have died before it signed."""
        assert not await log.claim(1, 5, ROOT, at_ms=1)  # it has no name yet
        await log.give_name(FIRST)
        assert await log.claim(1, 5, ROOT, at_ms=1)
        assert await log.claim(1, 5, ROOT, at_ms=2)
        assert not await log.claim(1, 5, OTHER, at_ms=3)
        assert not await log.claim(1, 4, ROOT, at_ms=3)
        assert await log.claim(1, 6, OTHER, at_ms=4)
        assert await log.newest_claim(1) == Checkpoint(1, 6, OTHER, 4)

    async def test_nothing_is_claimed_under_a_former_name(self, log: EventLog) -> None:
        """After a renewal sizes begin anew, under the new name alone."""
        await log.give_name(FIRST)
        assert await log.claim(1, 5, ROOT, at_ms=1)
        await log.give_name(SECOND)
        assert not await log.claim(1, 6, ROOT, at_ms=2)
        assert await log.claim(2, 3, OTHER, at_ms=2)

    async def test_of_several_claims_at_once_one_root_is_claimed(self, opener: LogOpener) -> None:
        """Through two open logs, as when the leases of two processes overlap."""
        log, other = [await opener(clock=now_ms, projector=no_documents) for _ in range(2)]
        try:
            await log.give_name(FIRST)
            for size in range(1, 6):
                asked = [(each, bytes([number]) * 32) for number, each in enumerate([log, other] * 2)]
                claimed = await asyncio.gather(*(each.claim(1, size, root, at_ms=1) for each, root in asked))
                assert claimed.count(True) == 1
                found = await other.newest_claim(1)
                assert found is not None
                assert found.root == asked[claimed.index(True)][1]
        finally:
            await log.close()
            await other.close()

    async def test_a_checkpoint_is_shown_once_it_is_signed(self, log: EventLog) -> None:
        """The newest, and the smallest that covers a size."""
        await log.give_name(FIRST)
        for size in (3, 5, 9):
            assert await log.claim(1, size, ROOT, at_ms=size)
        assert await log.checkpoint(1) is None
        await log.keep_note(1, 3, b"three\n", at_ms=13)
        await log.keep_note(1, 5, b"five\n", at_ms=15)
        assert await log.checkpoint(1) == Checkpoint(1, 5, ROOT, 15, b"five\n")
        assert await log.checkpoint(1, at_least=2) == Checkpoint(1, 3, ROOT, 13, b"three\n")
        assert await log.checkpoint(1, at_least=4) == Checkpoint(1, 5, ROOT, 15, b"five\n")
        assert await log.checkpoint(1, at_least=6) is None
        assert await log.checkpoint(2) is None
        with pytest.raises(ValueError, match="claimed"):
            await log.keep_note(1, 4, b"four\n", at_ms=1)

    async def test_a_quorum_counts_witnesses_that_are_asked(self, log: EventLog) -> None:
        """Each once, however often it cosigned. A newer checkpoint without a quorum hides no older one with it."""
        await log.give_name(FIRST)
        for size in (3, 5, 9):
            assert await log.claim(1, size, ROOT, at_ms=size)
            await log.keep_note(1, size, b"note\n", at_ms=size)
        await log.keep_cosignatures(1, 3, [ONE])
        await log.keep_cosignatures(1, 5, [ONE, TWO])
        await log.keep_cosignatures(1, 9, [ONE])
        await log.keep_cosignatures(1, 9, [ONE])
        both = [ONE.vkey, TWO.vkey]
        newest = await log.checkpoint(1, vkeys=both, quorum=2)
        assert newest == Checkpoint(1, 5, ROOT, 5, b"note\n", (ONE, TWO))
        assert await log.checkpoint(1, at_least=1, vkeys=both, quorum=2) == newest
        assert await log.checkpoint(1, at_least=6, vkeys=both, quorum=2) is None
        assert await log.checkpoint(1, vkeys=[ONE.vkey, "three+key"], quorum=2) is None
        single = await log.checkpoint(1, vkeys=both, quorum=1)
        assert single == Checkpoint(1, 9, ROOT, 9, b"note\n", (ONE,))
        assert await log.cosigned(1, ONE.vkey) == (9, 100)
        assert await log.cosigned(1, "three+key") == (0, 0)
        with pytest.raises(ValueError, match="claimed"):
            await log.keep_cosignatures(1, 4, [ONE])

    async def test_checkpoints_are_read_in_pages_and_taken_over(self, opener: LogOpener, log: EventLog) -> None:
        """Signed or not. What is taken over twice is there once, and as it was."""
        await log.import_names(
            [FIRST, SECOND], [Checkpoint(1, 2, ROOT, 1, b"note\n", (ONE,)), Checkpoint(2, 1, OTHER, 2)]
        )
        await log.import_names([FIRST], [Checkpoint(1, 2, OTHER, 9)])
        again = await opener(clock=now_ms, projector=no_documents)
        try:
            assert await again.names() == [FIRST, SECOND]
            assert await again.checkpoints(1, after=0, limit=5) == [Checkpoint(1, 2, ROOT, 1, b"note\n", (ONE,))]
            assert await again.checkpoints(1, after=2, limit=5) == []
            assert await again.checkpoints(2, after=0, limit=5) == [Checkpoint(2, 1, OTHER, 2)]
            assert not await again.claim(2, 1, ROOT, at_ms=3)
        finally:
            await again.close()

    async def test_checkpoints_are_dropped_but_none_that_a_witness_cosigned(self, log: EventLog) -> None:
        """What was claimed stays claimed by the greatest."""
        await log.give_name(FIRST)
        for size in (3, 5, 9):
            assert await log.claim(1, size, ROOT, at_ms=size)
            await log.keep_note(1, size, b"note\n", at_ms=size)
        await log.keep_cosignatures(1, 3, [ONE])
        await log.drop_checkpoints(1, [3, 5, 7])
        await log.drop_checkpoints(2, [9])
        await log.drop_checkpoints(1, [])
        assert [one.size for one in await log.checkpoints(1, after=0, limit=5)] == [3, 9]
        assert not await log.claim(1, 5, OTHER, at_ms=10)

    async def test_a_rebuild_touches_no_checkpoint_and_no_name(self, log: EventLog) -> None:
        """Others have them: they are not derived from the records."""
        await log.append("a", 0, some(2), actor="tests")
        await log.give_name(FIRST)
        assert await log.claim(1, 2, ROOT, at_ms=1)
        await log.keep_note(1, 2, b"note\n", at_ms=2)
        await log.put_tiles({(0, 0): hashes(2)})
        await log.rebuild()
        assert await log.names() == [FIRST]
        assert await log.checkpoint(1) == Checkpoint(1, 2, ROOT, 2, b"note\n")
        assert await log.tree_size() == 2

"""The suite's part on cursors: how far a reader has come, kept in the log and moved by one reader at a time."""

from __future__ import annotations

import asyncio

import pytest

from monoskope.m8.log.documents import Cursor
from monoskope.m8.log.event_log import GENESIS_HASH, EventLog, no_documents
from monoskope.testing.log_writer import LogOpener
from monoskope.testing.logs.harness import LogHarness
from monoskope.times import now_ms

FIRST = Cursor(1, bytes([1]) * 32)
SECOND = Cursor(2, bytes([2]) * 32)


class Cursors(LogHarness):
    """What readers of the log keep in it."""

    async def test_a_cursor_stands_where_it_was_moved_and_each_name_has_its_own(self, log: EventLog) -> None:
        """One that was never moved stands nowhere. A cursor is no event."""
        assert await log.cursor("audit/one") is None
        assert await log.move_cursor("audit/one", None, FIRST)
        assert await log.move_cursor("audit/one", FIRST, SECOND)
        assert await log.cursor("audit/one") == SECOND
        assert await log.cursor("audit/two") is None
        assert await log.head() == 0

    async def test_a_cursor_is_moved_only_from_where_it_stands(self, log: EventLog) -> None:
        """The position and the hash count."""
        assert not await log.move_cursor("audit/one", FIRST, SECOND)
        assert await log.move_cursor("audit/one", None, FIRST)
        assert not await log.move_cursor("audit/one", None, SECOND)
        assert not await log.move_cursor("audit/one", Cursor(1, GENESIS_HASH), SECOND)
        assert await log.cursor("audit/one") == FIRST

    async def test_of_several_that_move_it_at_once_one_does(self, opener: LogOpener) -> None:
        """Through one open log and through several; each sees where it stands then."""
        log, other = [await opener(clock=now_ms, projector=no_documents) for _ in range(2)]
        try:
            was: Cursor | None = None
            for position in range(1, 4):
                moves = [
                    each.move_cursor("audit/one", was, Cursor(position, bytes([number]) * 32))
                    for number, each in enumerate([log, other] * 4)
                ]
                moved = await asyncio.gather(*moves)
                assert moved.count(True) == 1
                was = Cursor(position, bytes([moved.index(True)]) * 32)
                assert await log.cursor("audit/one") == await other.cursor("audit/one") == was
        finally:
            await log.close()
            await other.close()

    async def test_a_cursor_outlives_the_process_that_moved_it(self, opener: LogOpener) -> None:
        """It is durable as an event is."""
        log = await opener(clock=now_ms, projector=no_documents)
        await log.move_cursor("audit/one", None, FIRST)
        await log.close()
        log = await opener(clock=now_ms, projector=no_documents)
        try:
            assert await log.cursor("audit/one") == FIRST
        finally:
            await log.close()

    @pytest.mark.parametrize(
        ("name", "cursor"),
        [("", FIRST), ("x" * 129, FIRST), ("a\0b", FIRST), ("one", Cursor(-1, bytes(32))), ("one", Cursor(1, b""))],
        ids=["no name", "long name", "NUL", "negative", "no hash"],
    )
    async def test_a_cursor_has_a_name_a_position_and_a_hash(self, log: EventLog, name: str, cursor: Cursor) -> None:
        """What breaks a rule is an error of the caller."""
        with pytest.raises(ValueError, match="cursor"):
            await log.move_cursor(name, None, cursor)

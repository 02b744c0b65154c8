"""The suite's parts on leases and cursors: one holder at a time, free after its time; how far a reader has come."""

from __future__ import annotations

import asyncio

import pytest

from monoskope.m8.log.documents import Cursor
from monoskope.m8.log.event_log import GENESIS_HASH, EventLog, no_documents
from monoskope.testing.log_writer import LogOpener
from monoskope.testing.logs.harness import PATIENCE_S, LogHarness
from monoskope.times import now_ms

LONG_MS = 60_000
"""The longest lease, and longer than any test takes."""


async def until_taken(log: EventLog, name: str, holder: str) -> None:
    """Ask for a lease until it is free. Raises `TimeoutError`."""
    async with asyncio.timeout(PATIENCE_S):
        while not await log.lease(name, holder, ttl_ms=LONG_MS):  # noqa: ASYNC110  nothing tells when it is free
            await asyncio.sleep(0.005)


class Leases(LogHarness):
    """What several processes agree on by a lease."""

    async def test_one_holder_has_a_lease_and_keeps_it_as_long_as_it_asks(self, log: EventLog) -> None:
        """Another name is another lease."""
        assert await log.lease("timekeeper", "one", ttl_ms=LONG_MS)
        assert not await log.lease("timekeeper", "two", ttl_ms=LONG_MS)
        assert await log.lease("timekeeper", "one", ttl_ms=LONG_MS)
        assert await log.lease("rebuild", "two", ttl_ms=LONG_MS)
        assert not await log.lease("timekeeper", "two", ttl_ms=LONG_MS)

    async def test_a_lease_that_was_not_kept_is_free_after_its_time(self, opener: LogOpener) -> None:
        """And its former holder does not have it any more. The log has a clock that goes, for this needs one."""
        log = await opener(clock=now_ms, projector=no_documents)
        try:
            assert await log.lease("timekeeper", "one", ttl_ms=1)
            await until_taken(log, "timekeeper", "two")
            assert not await log.lease("timekeeper", "one", ttl_ms=1)
        finally:
            await log.close()

    async def test_a_lease_that_is_released_is_free_at_once(self, log: EventLog) -> None:
        """Only its holder can release it."""
        assert await log.lease("timekeeper", "one", ttl_ms=LONG_MS)
        await log.release("timekeeper", "two")
        assert not await log.lease("timekeeper", "two", ttl_ms=LONG_MS)
        await log.release("timekeeper", "one")
        await log.release("timekeeper", "one")
        assert await log.lease("timekeeper", "two", ttl_ms=LONG_MS)

    async def test_of_many_that_ask_at_once_one_gets_the_lease(self, opener: LogOpener) -> None:
        """Through one open log and through several."""
        log, other = [await opener(clock=now_ms, projector=no_documents) for _ in range(2)]
        try:
            for turn in range(5):
                asked = (
                    each.lease(f"lease {turn}", f"holder {number}", ttl_ms=LONG_MS)
                    for number, each in enumerate([log, other] * 8)
                )
                assert sum(await asyncio.gather(*asked)) == 1
        finally:
            await log.close()
            await other.close()

    async def test_a_lease_outlives_the_log_that_took_it(self, opener: LogOpener) -> None:
        """A process that was killed keeps others out until its time is over, and not longer."""
        gone = await opener(clock=now_ms, projector=no_documents)
        assert await gone.lease("rebuild", "gone", ttl_ms=LONG_MS)
        await gone.close()
        other = await opener(clock=now_ms, projector=no_documents)
        try:
            assert not await other.lease("rebuild", "two", ttl_ms=LONG_MS)
        finally:
            await other.close()

    async def test_a_lease_is_no_event(self, log: EventLog) -> None:
        """It leaves the chain and the documents alone."""
        assert await log.lease("timekeeper", "one", ttl_ms=LONG_MS)
        assert await log.head() == 0
        assert await log.check_chain() == 0


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

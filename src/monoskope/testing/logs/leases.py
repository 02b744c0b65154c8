"""The suite's part on leases: one holder at a time, free after its time, given up at once."""

from __future__ import annotations

import asyncio

from monoskope.m8.log.event_log import EventLog, no_documents
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
